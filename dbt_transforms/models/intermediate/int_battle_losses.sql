{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['killmail_id'], 'unique': true}, {'columns': ['battle_id']}, {'columns': ['killmail_date']},
])) }}

select
    victims.battle_id,
    victims.killmail_date,
    victims.killmail_id,
    victims.killmail_time,
    victims.side,
    victims.party_id,
    victims.character_id,
    victims.ship_type_id,
    killmails.victim_ship_group_id as ship_group_id,
    coalesce(killmails.victim_ship_group_id = {{ eve_ids().capsule }}, false) as is_pod,
    killmails.is_capital,
    killmails.solar_system_id,
    killmails.region_id,
    killmails.total_value,
    killmails.is_hull_priced
from {{ ref('int_battle_participants') }} as victims
inner join {{ ref('int_killmails') }} as killmails on victims.killmail_id = killmails.killmail_id
where victims.is_victim and {{ is_day_to_build('victims.killmail_date') }}

with attackers as (
    select
        killmail_id,
        count(*) as attacker_count,
        count(character_id) as attacker_character_count,
        max(character_id) filter (where final_blow) as final_blow_character_id,
        max(corporation_id) filter (where final_blow) as final_blow_corporation_id,
        max(ship_type_id) filter (where final_blow) as final_blow_ship_type_id
    from {{ ref('stg_killmail_attackers') }}
    group by killmail_id
),

items as (
    select
        killmail_id,
        count(*) as item_row_count
    from {{ ref('stg_killmail_items') }}
    group by killmail_id
)

select
    killmails.killmail_id,
    killmails.killmail_time,
    killmails.killmail_date,
    killmails.killmail_hash,
    killmails.solar_system_id,
    systems.system_name as solar_system_name,
    systems.security_status as solar_system_security_status,
    systems.region_id,
    systems.region_name,
    killmails.victim_character_id,
    victims.character_name as victim_character_name,
    killmails.victim_corporation_id,
    corporations.corporation_name as victim_corporation_name,
    killmails.victim_alliance_id,
    alliances.alliance_name as victim_alliance_name,
    killmails.victim_faction_id,
    killmails.victim_ship_type_id,
    item_types.type_name as victim_ship_name,
    item_types.group_name as victim_ship_group_name,
    killmails.victim_damage_taken,
    attackers.attacker_count,
    attackers.attacker_character_count,
    attackers.final_blow_character_id,
    attackers.final_blow_corporation_id,
    attackers.final_blow_ship_type_id,
    coalesce(items.item_row_count, 0) as item_row_count,
    killmails.war_id,
    killmails.moon_id,
    zkillboard.total_value as zkillboard_total_value,
    zkillboard.points as zkillboard_points,
    killmails.source,
    killmails.stored_at
from {{ ref('stg_killmails') }} as killmails
inner join attackers
    on killmails.killmail_id = attackers.killmail_id
left join items
    on killmails.killmail_id = items.killmail_id
left join {{ ref('dim_systems') }} as systems
    on killmails.solar_system_id = systems.system_id
left join {{ ref('dim_types') }} as item_types
    on killmails.victim_ship_type_id = item_types.type_id
left join {{ ref('stg_characters') }} as victims
    on killmails.victim_character_id = victims.character_id
left join {{ ref('stg_corporations') }} as corporations
    on killmails.victim_corporation_id = corporations.corporation_id
left join {{ ref('stg_alliances') }} as alliances
    on killmails.victim_alliance_id = alliances.alliance_id
left join {{ ref('stg_zkillboard_values') }} as zkillboard
    on killmails.killmail_id = zkillboard.killmail_id

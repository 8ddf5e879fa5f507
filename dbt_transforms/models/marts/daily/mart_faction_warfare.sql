{%- set opposed = {500001: 500004, 500004: 500001, 500002: 500003, 500003: 500002} %}
{%- set names = {
    'solar_system_name': ['system', 'solar_system_id'],
    'winner_faction_name': ['faction', 'winner_faction_id'],
    'loser_faction_name': ['faction', 'loser_faction_id'],
} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['killmail_date', 'solar_system_id', 'loser_faction_id'], 'unique': true},
])) }}

with opponents as (
    select distinct
        killmail_id,
        faction_id
    from {{ ref('stg_killmail_attackers') }}
    where {{ is_to_build('killmail_time') }} and faction_id in ({{ opposed | join(', ') }})
),

-- zKillboard looks at Caldari and Gallente first: with both among the attackers, a victim of another militia is none.
caldari_and_gallente as (
    select killmail_id
    from opponents
    where faction_id in (500001, 500004)
    group by killmail_id
    having count(*) = 2
),

fought as (
    select
        killmails.killmail_date,
        killmails.solar_system_id,
        opponents.faction_id as winner_faction_id,
        killmails.victim_faction_id as loser_faction_id,
        count(*) as killmails_fw_zkb,
        {{ isk('sum(killmails.total_value)') }} as isk_destroyed,
        count(*) filter (where not killmails.is_hull_priced) as unpriced_kills
    from {{ ref('int_killmails') }} as killmails
    inner join opponents
        on
            killmails.killmail_id = opponents.killmail_id
            and opponents.faction_id = case killmails.victim_faction_id
                {%- for loser, winner in opposed.items() %}
                when {{ loser }} then {{ winner }}
                {%- endfor %}
            end
    left join caldari_and_gallente on killmails.killmail_id = caldari_and_gallente.killmail_id
    where
        {{ is_to_build('killmails.killmail_time') }}
        and (caldari_and_gallente.killmail_id is null or killmails.victim_faction_id in (500001, 500004))
    group by
        killmails.killmail_date, killmails.solar_system_id, opponents.faction_id, killmails.victim_faction_id
)

{{ with_names('fought', names) }}

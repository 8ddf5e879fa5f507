{{ config(indexes=postgres_indexes([{'columns': ['killmail_date', 'rank'], 'unique': true}])) }}

{%- set best_of_a_day = 100 %}

with ranked as (
    select
        killmail_date,
        row_number() over (partition by killmail_date order by total_value desc, killmail_id) as rank,
        killmail_id,
        total_value,
        is_hull_priced,
        victim_character_id,
        victim_corporation_id,
        victim_alliance_id,
        victim_ship_type_id,
        solar_system_id,
        region_id,
        attacker_count,
        is_npc_zkb
    from {{ ref('int_killmails') }}
    where {{ is_to_build('killmail_time') }}
)

select *
from ranked
where rank <= {{ best_of_a_day }}

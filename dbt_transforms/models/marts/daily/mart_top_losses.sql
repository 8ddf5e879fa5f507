{%- set names = {
    'victim_character_name': ['character', 'victim_character_id'],
    'victim_corporation_name': ['corporation', 'victim_corporation_id'],
    'victim_alliance_name': ['alliance', 'victim_alliance_id'],
    'victim_ship_name': ['ship_type', 'victim_ship_type_id'],
    'solar_system_name': ['system', 'solar_system_id'],
    'region_name': ['region', 'region_id'],
} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([{'columns': ['killmail_date', 'rank'], 'unique': true}])) }}

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
),

best as (
    select *
    from ranked
    where rank <= {{ best_of_a_day }}
)

{{ with_names('best', names) }}

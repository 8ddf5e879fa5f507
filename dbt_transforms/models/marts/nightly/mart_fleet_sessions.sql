{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'region_name': ['region', 'region_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'session_id'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

with sessions as (
    select
        min(killmail_date) as killmail_date,
        entity_kind,
        entity_id,
        session_id,
        min(region_id) as region_id,
        min(killmail_time) as started_at,
        max(killmail_time) as ended_at,
        count(distinct character_id) as pilots,
        count(distinct killmail_id) as kills,
        max(pilots_on_killmail) as most_pilots_on_a_kill,
        count(distinct solar_system_id) as systems,
        count(distinct ship_type_id) as ship_types
    from {{ ref('int_fleet_pilots') }}
    group by entity_kind, entity_id, session_id
)

{{ with_names('sessions', names) }}

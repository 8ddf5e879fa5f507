{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'session_id', 'ship_type_id'], 'unique': true},
])) }}

with ships as (
    select
        entity_kind,
        entity_id,
        session_id,
        ship_type_id,
        count(distinct character_id) as pilots,
        min(killmail_time) as first_seen_at,
        max(killmail_time) as last_seen_at
    from {{ ref('int_fleet_pilots') }}
    where ship_type_id is not null
    group by entity_kind, entity_id, session_id, ship_type_id
)

{{ with_names('ships', names) }}

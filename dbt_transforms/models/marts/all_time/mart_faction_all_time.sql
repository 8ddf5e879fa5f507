{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='faction_id',
    indexes=postgres_indexes([{'columns': ['faction_id'], 'unique': true}])
) }}

{{ entity_all_time('faction') }}

{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='constellation_id',
    indexes=postgres_indexes([{'columns': ['constellation_id'], 'unique': true}])
) }}

{{ entity_all_time('constellation') }}

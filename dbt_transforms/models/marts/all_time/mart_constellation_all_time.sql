{{ config(
    materialized='incremental', incremental_strategy='replace_all',
    meta={'names': name_of_entity('constellation')},
    indexes=postgres_indexes([{'columns': ['constellation_id'], 'unique': true}])
) }}

{{ entity_all_time('constellation') }}

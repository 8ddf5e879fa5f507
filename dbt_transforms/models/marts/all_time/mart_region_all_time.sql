{{ config(
    materialized='incremental', incremental_strategy='replace_all',
    meta={'names': name_of_entity('region')},
    indexes=postgres_indexes([{'columns': ['region_id'], 'unique': true}])
) }}

{{ entity_all_time('region') }}

{{ config(
    materialized='incremental', incremental_strategy='replace_all',
    meta={'names': name_of_entity('ship_group')},
    indexes=postgres_indexes([{'columns': ['ship_group_id'], 'unique': true}])
) }}

{{ entity_all_time('ship_group') }}

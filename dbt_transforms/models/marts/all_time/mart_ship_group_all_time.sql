{{ config(
    materialized='incremental', incremental_strategy='replace_all',
    indexes=postgres_indexes([{'columns': ['ship_group_id'], 'unique': true}])
) }}

{{ entity_all_time('ship_group') }}

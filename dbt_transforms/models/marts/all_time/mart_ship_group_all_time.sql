{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='ship_group_id',
    indexes=postgres_indexes([{'columns': ['ship_group_id'], 'unique': true}])
) }}

{{ entity_all_time('ship_group') }}

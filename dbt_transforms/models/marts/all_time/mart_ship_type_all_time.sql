{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='ship_type_id',
    meta={'names': name_of_entity('ship_type')},
    indexes=postgres_indexes([{'columns': ['ship_type_id'], 'unique': true}])
) }}

{{ entity_all_time('ship_type') }}

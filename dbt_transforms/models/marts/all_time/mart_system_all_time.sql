{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='system_id',
    meta={'names': name_of_entity('system')},
    indexes=postgres_indexes([{'columns': ['system_id'], 'unique': true}])
) }}

{{ entity_all_time('system') }}

{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='character_id',
    meta={'names': name_of_entity('character')},
    indexes=postgres_indexes([{'columns': ['character_id'], 'unique': true}])
) }}

{{ entity_all_time('character') }}

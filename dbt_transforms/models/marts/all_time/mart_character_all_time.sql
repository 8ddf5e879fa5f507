{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='character_id',
    indexes=postgres_indexes([{'columns': ['character_id'], 'unique': true}])
) }}

{{ entity_all_time('character') }}

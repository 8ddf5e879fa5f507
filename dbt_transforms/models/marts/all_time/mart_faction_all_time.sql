{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='faction_id',
    meta={'names': name_of_entity('faction')},
    indexes=postgres_indexes([{'columns': ['faction_id'], 'unique': true}])
) }}

{{ entity_all_time('faction') }}

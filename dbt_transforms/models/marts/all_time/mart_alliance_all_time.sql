{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='alliance_id',
    meta={'names': name_of_entity('alliance')},
    indexes=postgres_indexes([{'columns': ['alliance_id'], 'unique': true}])
) }}

{{ entity_all_time('alliance') }}

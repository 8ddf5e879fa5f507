{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='corporation_id',
    meta={'names': name_of_entity('corporation')},
    indexes=postgres_indexes([{'columns': ['corporation_id'], 'unique': true}])
) }}

{{ entity_all_time('corporation') }}

{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='corporation_id',
    indexes=postgres_indexes([{'columns': ['corporation_id'], 'unique': true}])
) }}

{{ entity_all_time('corporation') }}

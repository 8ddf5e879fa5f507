{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='region_id',
    indexes=postgres_indexes([{'columns': ['region_id'], 'unique': true}])
) }}

{{ entity_all_time('region') }}

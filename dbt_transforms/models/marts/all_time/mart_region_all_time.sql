{{ config(
    materialized='incremental', incremental_strategy='replace_all',
    indexes=postgres_indexes([{'columns': ['region_id'], 'unique': true}])
) }}

{{ entity_all_time('region') }}

{{ config(unique_key='region_id', indexes=postgres_indexes([
    {'columns': ['region_id'], 'unique': true},
])) }}

select
    region_id,
    region_name
from {{ ref('stg_regions') }}
{{ that_changed() }}

{{ config(unique_key='constellation_id', indexes=postgres_indexes([
    {'columns': ['constellation_id'], 'unique': true},
])) }}

select
    constellations.constellation_id,
    constellations.constellation_name,
    constellations.region_id,
    regions.region_name
from {{ ref('stg_constellations') }} as constellations
left join {{ ref('stg_regions') }} as regions on constellations.region_id = regions.region_id
{{ that_changed() }}

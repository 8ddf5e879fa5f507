{{ config(post_hook="{{ searchable_by('system_name') }}", unique_key='system_id', indexes=postgres_indexes([
    {'columns': ['system_id'], 'unique': true},
])) }}

select
    systems.system_id,
    systems.system_name,
    systems.security_status,
    systems.constellation_id,
    constellations.constellation_name,
    systems.region_id,
    regions.region_name
from {{ ref('stg_systems') }} as systems
left join {{ ref('stg_constellations') }} as constellations
    on systems.constellation_id = constellations.constellation_id
left join {{ ref('stg_regions') }} as regions
    on systems.region_id = regions.region_id
{{ that_changed() }}

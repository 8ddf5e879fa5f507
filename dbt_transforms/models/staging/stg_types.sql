select
    type_id,
    name as type_name,
    group_id,
    published as is_published,
    market_group_id,
    meta_group_id,
    variation_parent_type_id,
    volume,
    packaged_volume,
    mass,
    capacity,
    portion_size,
    meta_level,
    rig_size,
    heat_damage,
    tech_level,
    fetched_at
from {{ source('raw', 'types') }}

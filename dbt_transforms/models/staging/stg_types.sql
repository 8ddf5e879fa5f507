select
    bodies.type_id,
    {{ name_of('type') }} as type_name,
    bodies.group_id,
    bodies.published as is_published,
    bodies.market_group_id,
    bodies.meta_group_id,
    bodies.variation_parent_type_id,
    bodies.volume,
    bodies.packaged_volume,
    bodies.mass,
    bodies.capacity,
    bodies.portion_size,
    bodies.meta_level,
    bodies.rig_size,
    bodies.heat_damage,
    bodies.tech_level,
    bodies.fetched_at,
    true as has_body
from {{ source('raw', 'types') }} as bodies

union all

select
    bulk_names.entity_id as type_id,
    bulk_names.name as type_name,
    cast(null as bigint) as group_id,
    cast(null as boolean) as is_published,
    cast(null as bigint) as market_group_id,
    cast(null as bigint) as meta_group_id,
    cast(null as bigint) as variation_parent_type_id,
    cast(null as double precision) as volume,
    cast(null as double precision) as packaged_volume,
    cast(null as double precision) as mass,
    cast(null as double precision) as capacity,
    cast(null as bigint) as portion_size,
    cast(null as double precision) as meta_level,
    cast(null as double precision) as rig_size,
    cast(null as double precision) as heat_damage,
    cast(null as double precision) as tech_level,
    cast(null as timestamp with time zone) as fetched_at,
    false as has_body
from {{ names_without_body('type', 'types') }}

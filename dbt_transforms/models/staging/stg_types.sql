select
    coalesce(bodies.type_id, bulk_names.entity_id) as type_id,
    coalesce(bodies.name, bulk_names.name) as type_name,
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
    bodies.type_id is not null as has_body
from {{ source('raw', 'types') }} as bodies
full outer join {{ bulk_names('type') }} as bulk_names
    on bodies.type_id = bulk_names.entity_id

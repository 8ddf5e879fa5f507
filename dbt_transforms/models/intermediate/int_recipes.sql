{{ config(materialized='view') }}

-- zKillboard's materials for one unit: nine tenths of the blueprint's, rounded up.
select
    product_type_id,
    material_type_id,
    greatest(ceil(0.9 * quantity), 1) / product_quantity as units
from {{ ref('stg_blueprint_materials') }}
where material_type_id <> product_type_id

union all

-- A customs office: the gantry and the eight of each that its upgrade takes.
select
    {{ eve_ids().customs_office }} as product_type_id,
    material_type_id,
    units
from (values (3962, 1), (2867, 8), (2871, 8), (2872, 8), (2876, 8)) as upgrade (material_type_id, units)

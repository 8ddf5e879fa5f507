select
    product_type_id,
    material_type_id,
    quantity,
    product_quantity
from {{ source('raw', 'blueprint_materials') }}

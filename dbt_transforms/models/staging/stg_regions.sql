select
    region_id,
    name as region_name
from {{ source('raw', 'regions') }}

select
    system_id,
    name as system_name,
    constellation_id,
    region_id,
    security_status
from {{ source('raw', 'systems') }}

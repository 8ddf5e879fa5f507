select
    constellation_id,
    name as constellation_name,
    region_id
from {{ source('raw', 'constellations') }}

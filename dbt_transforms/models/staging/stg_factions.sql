select
    faction_id,
    name as faction_name
from {{ source('raw', 'factions') }}

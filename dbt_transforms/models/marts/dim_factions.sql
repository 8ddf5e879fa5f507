select
    faction_id,
    faction_name
from {{ ref('stg_factions') }}

select
    killmail_id,
    observed_at,
    killmail_hash,
    location_id,
    fitted_value,
    dropped_value,
    destroyed_value,
    total_value,
    total_droppable_value,
    points,
    npc,
    solo,
    awox,
    labels,
    attacker_count
from {{ source('raw', 'zkillboard_values') }}

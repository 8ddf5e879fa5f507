select
    campaign_id,
    event_type,
    solar_system_id,
    constellation_id,
    structure_id,
    start_time,
    defender_id,
    defender_score,
    attackers_score,
    observed_at,
    ended_at
from {{ source('raw', 'sovereignty_campaigns') }}

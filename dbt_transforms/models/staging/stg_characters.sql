select
    character_id,
    name as character_name,
    corporation_id,
    alliance_id,
    faction_id,
    birthday,
    gender,
    race_id,
    bloodline_id,
    security_status,
    corporation_title,
    achievement_score,
    fetched_at,
    gone_at is not null as is_gone
from {{ source('raw', 'characters') }}

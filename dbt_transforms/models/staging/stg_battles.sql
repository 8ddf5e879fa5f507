select
    battle_id,
    killmail_date,
    started_at,
    ended_at,
    split_confidence
from {{ source('derived', 'battles') }}

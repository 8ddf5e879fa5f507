select
    killmail_id,
    killmail_time,
    battle_id
from {{ source('derived', 'battle_killmails') }}

select
    former_battle_id,
    battle_id,
    changed_at
from {{ source('derived', 'former_battles') }}

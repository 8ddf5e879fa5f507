select
    former_battle_id,
    battle_id,
    changed_at
from {{ ref('stg_former_battles') }}

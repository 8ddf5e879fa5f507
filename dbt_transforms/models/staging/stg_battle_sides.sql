select
    battle_id,
    side,
    hostility_share,
    is_third_party
from {{ source('derived', 'battle_sides') }}

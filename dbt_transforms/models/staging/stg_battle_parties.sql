select
    battle_id,
    party_id,
    party_kind,
    side,
    confidence
from {{ source('derived', 'battle_parties') }}

select
    as_of,
    entity_kind,
    period,
    metric,
    rank,
    entity_id,
    {{ entity_name('entity_kind', 'entity_id') }} as entity_name,
    value
from {{ ref('int_leaderboards') }}

select
    killmail_date,
    everef_total,
    zkillboard_total,
    rejected,
    late,
    loaded_at,
    counted_at,
    state,
    reason
from {{ source('ops', 'history_days') }}

select
    killmail_id,
    killmail_date,
    listed_by,
    found_at,
    reason
from {{ source('ops', 'missing_killmails') }}

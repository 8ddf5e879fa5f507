select
    killmail_id,
    killmail_time,
    killmail_date,
    attacker_ids,
    victim_ids
from {{ ref('int_involved') }}

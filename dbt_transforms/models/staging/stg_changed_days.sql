select
    killmail_date,
    changed_in,
    earliest,
    latest
from {{ source('ops', 'changed_days') }}

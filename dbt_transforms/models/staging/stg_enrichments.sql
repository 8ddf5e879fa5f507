select
    entity_kind,
    entity_id,
    killmail_id,
    roles,
    requested_at,
    enriched_at,
    publishing_run,
    consuming_run,
    queue,
    message_id,
    attempts,
    outcome
from {{ source('ops', 'enrichments') }}

select
    war_id,
    entity_kind,
    entity_id
from {{ source('raw', 'war_allies') }}

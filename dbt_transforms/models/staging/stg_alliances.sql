select
    coalesce(bodies.alliance_id, bulk_names.entity_id) as alliance_id,
    coalesce(bodies.name, bulk_names.name) as alliance_name,
    bodies.ticker as alliance_ticker,
    bodies.creator_id,
    bodies.creator_corporation_id,
    bodies.executor_corporation_id,
    bodies.faction_id,
    bodies.date_founded,
    bodies.fetched_at,
    bodies.gone_at is not null as is_gone,
    bodies.alliance_id is not null as has_body
from {{ source('raw', 'alliances') }} as bodies
full outer join {{ bulk_names('alliance') }} as bulk_names
    on bodies.alliance_id = bulk_names.entity_id

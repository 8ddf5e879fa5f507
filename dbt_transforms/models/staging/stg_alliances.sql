select
    bodies.alliance_id,
    {{ name_of('alliance') }} as alliance_name,
    bodies.ticker as alliance_ticker,
    bodies.creator_id,
    bodies.creator_corporation_id,
    bodies.executor_corporation_id,
    bodies.faction_id,
    bodies.date_founded,
    bodies.fetched_at,
    bodies.gone_at is not null as is_gone,
    true as has_body
from {{ source('raw', 'alliances') }} as bodies

union all

select
    bulk_names.entity_id as alliance_id,
    bulk_names.name as alliance_name,
    cast(null as text) as alliance_ticker,
    cast(null as bigint) as creator_id,
    cast(null as bigint) as creator_corporation_id,
    cast(null as bigint) as executor_corporation_id,
    cast(null as bigint) as faction_id,
    cast(null as timestamp with time zone) as date_founded,
    cast(null as timestamp with time zone) as fetched_at,
    false as is_gone,
    false as has_body
from {{ names_without_body('alliance', 'alliances') }}

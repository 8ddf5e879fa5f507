select
    alliance_id,
    name as alliance_name,
    ticker as alliance_ticker,
    creator_id,
    creator_corporation_id,
    executor_corporation_id,
    faction_id,
    date_founded,
    fetched_at,
    gone_at is not null as is_gone
from {{ source('raw', 'alliances') }}

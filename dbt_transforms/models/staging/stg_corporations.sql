select
    coalesce(bodies.corporation_id, bulk_names.entity_id) as corporation_id,
    coalesce(bodies.name, bulk_names.name) as corporation_name,
    bodies.ticker as corporation_ticker,
    bodies.alliance_id,
    bodies.ceo_id,
    bodies.creator_id,
    bodies.enlisted_faction_id,
    bodies.home_station_id,
    bodies.member_count,
    bodies.state as corporation_state,
    bodies.type as corporation_type,
    bodies.date_founded,
    bodies.tax_rate_isk,
    bodies.tax_rate_loyalty_point,
    bodies.war_eligible,
    bodies.url,
    bodies.fetched_at,
    bodies.gone_at is not null as is_gone,
    bodies.corporation_id is not null as has_body
from {{ source('raw', 'corporations') }} as bodies
full outer join {{ bulk_names('corporation') }} as bulk_names
    on bodies.corporation_id = bulk_names.entity_id

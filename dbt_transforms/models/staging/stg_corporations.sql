select
    bodies.corporation_id,
    {{ name_of('corporation') }} as corporation_name,
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
    true as has_body
from {{ source('raw', 'corporations') }} as bodies

union all

select
    bulk_names.entity_id as corporation_id,
    bulk_names.name as corporation_name,
    cast(null as text) as corporation_ticker,
    cast(null as bigint) as alliance_id,
    cast(null as bigint) as ceo_id,
    cast(null as bigint) as creator_id,
    cast(null as bigint) as enlisted_faction_id,
    cast(null as bigint) as home_station_id,
    cast(null as bigint) as member_count,
    cast(null as text) as corporation_state,
    cast(null as text) as corporation_type,
    cast(null as timestamp with time zone) as date_founded,
    cast(null as double precision) as tax_rate_isk,
    cast(null as double precision) as tax_rate_loyalty_point,
    cast(null as boolean) as war_eligible,
    cast(null as text) as url,
    cast(null as timestamp with time zone) as fetched_at,
    false as is_gone,
    false as has_body
from {{ names_without_body('corporation', 'corporations') }}

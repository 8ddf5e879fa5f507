{{ config(post_hook="{{ searchable_by('corporation_name') }}", unique_key='corporation_id', indexes=postgres_indexes([
    {'columns': ['corporation_id'], 'unique': true},
])) }}

select
    corporations.corporation_id,
    corporations.corporation_name,
    corporations.corporation_ticker,
    corporations.alliance_id,
    alliances.alliance_name,
    corporations.member_count,
    corporations.corporation_state,
    corporations.corporation_type,
    corporations.date_founded,
    corporations.tax_rate_isk,
    corporations.is_gone,
    corporations.fetched_at,
    corporations.has_body
from {{ ref('stg_corporations') }} as corporations
left join {{ ref('stg_alliances') }} as alliances
    on corporations.alliance_id = alliances.alliance_id
{{ that_changed() }}

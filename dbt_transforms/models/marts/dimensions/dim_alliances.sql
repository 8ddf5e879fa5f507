{{ config(post_hook="{{ searchable_by('alliance_name') }}", unique_key='alliance_id', indexes=postgres_indexes([
    {'columns': ['alliance_id'], 'unique': true},
])) }}

select
    alliance_id,
    alliance_name,
    alliance_ticker,
    creator_id,
    creator_corporation_id,
    executor_corporation_id,
    date_founded,
    is_gone,
    fetched_at,
    has_body
from {{ ref('stg_alliances') }}
{{ that_changed() }}

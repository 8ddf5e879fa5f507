{{ config(post_hook="{{ searchable_by('character_name') }}", unique_key='character_id', indexes=postgres_indexes([
    {'columns': ['character_id'], 'unique': true},
])) }}

select
    characters.character_id,
    characters.character_name,
    characters.corporation_id,
    corporations.corporation_name,
    characters.alliance_id,
    alliances.alliance_name,
    characters.birthday,
    characters.security_status,
    characters.is_gone,
    characters.fetched_at,
    characters.has_body
from {{ ref('stg_characters') }} as characters
left join {{ ref('stg_corporations') }} as corporations
    on characters.corporation_id = corporations.corporation_id
left join {{ ref('stg_alliances') }} as alliances
    on characters.alliance_id = alliances.alliance_id
{{ that_changed() }}

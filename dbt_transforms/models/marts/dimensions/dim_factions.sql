{{ config(unique_key='faction_id', indexes=postgres_indexes([
    {'columns': ['faction_id'], 'unique': true},
])) }}

select
    faction_id,
    faction_name
from {{ ref('stg_factions') }}
{{ that_changed() }}

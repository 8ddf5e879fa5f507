{{ config(meta={'names': name_of_entity('faction')}, indexes=postgres_indexes([
    {'columns': ['faction_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('faction') }}

{{ config(meta={'names': name_of_entity('constellation')}, indexes=postgres_indexes([
    {'columns': ['constellation_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('constellation') }}

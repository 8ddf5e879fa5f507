{{ config(meta={'names': name_of_entity('alliance')}, indexes=postgres_indexes([
    {'columns': ['alliance_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('alliance') }}

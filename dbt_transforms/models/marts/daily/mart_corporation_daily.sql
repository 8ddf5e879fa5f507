{{ config(meta={'names': name_of_entity('corporation')}, indexes=postgres_indexes([
    {'columns': ['corporation_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('corporation') }}

{{ config(meta={'names': name_of_entity('character')}, indexes=postgres_indexes([
    {'columns': ['character_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('character') }}

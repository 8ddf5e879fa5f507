{{ config(meta={'names': name_of_entity('system')}, indexes=postgres_indexes([
    {'columns': ['system_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('system') }}

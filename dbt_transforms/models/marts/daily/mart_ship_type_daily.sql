{{ config(meta={'names': name_of_entity('ship_type')}, indexes=postgres_indexes([
    {'columns': ['ship_type_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('ship_type') }}

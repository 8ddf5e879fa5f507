{{ config(meta={'names': name_of_entity('ship_group')}, indexes=postgres_indexes([
    {'columns': ['ship_group_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('ship_group') }}

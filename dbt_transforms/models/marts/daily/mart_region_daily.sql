{{ config(meta={'names': name_of_entity('region')}, indexes=postgres_indexes([
    {'columns': ['region_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('region') }}

{{ config(indexes=postgres_indexes([
    {'columns': ['character_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{{ entity_daily('character') }}

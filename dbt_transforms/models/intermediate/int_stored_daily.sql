{{ config(unique_key='killmail_date', indexes=postgres_indexes([
    {'columns': ['killmail_date', 'source'], 'unique': true},
])) }}

select
    killmail_date,
    source,
    count(*) as killmails
from {{ ref('stg_killmails') }}
where {{ is_to_build('killmail_time') }}
group by killmail_date, source

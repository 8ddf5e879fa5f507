{{ config(tags=['nightly'], unique_key='killmail_date', indexes=postgres_indexes([
    {'columns': ['region_id', 'type_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

with destroyed as (
    select
        killmail_id,
        victim_ship_type_id as type_id,
        1 as units
    from {{ ref('stg_killmails') }}
    where {{ is_to_build('killmail_time') }}

    union all

    select
        killmail_id,
        item_type_id as type_id,
        quantity_destroyed as units
    from {{ ref('stg_killmail_items') }}
    where {{ is_to_build('killmail_time') }} and quantity_destroyed > 0
)

select
    killmails.killmail_date,
    killmails.region_id,
    destroyed.type_id,
    cast(sum(destroyed.units) as bigint) as destroyed_units
from destroyed
inner join {{ ref('int_killmails') }} as killmails on destroyed.killmail_id = killmails.killmail_id
where killmails.region_id is not null
group by killmails.killmail_date, killmails.region_id, destroyed.type_id

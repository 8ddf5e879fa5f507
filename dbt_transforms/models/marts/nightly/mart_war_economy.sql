{%- set names = {'region_name': ['region', 'region_id'], 'type_name': ['ship_type', 'type_id']} %}
{%- set method = default_price_method() %}
{{ config(unique_key='killmail_date', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['region_id', 'type_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

with lines as (
    select
        killmail_id,
        killmail_date,
        {{ price_date('killmail_time') }} as price_date,
        victim_ship_type_id as type_id,
        false as is_copy,
        null as flag,
        1 as destroyed,
        0 as dropped
    from {{ ref('stg_killmails') }}
    where {{ is_to_build('killmail_time') }}

    union all

    select
        killmail_id,
        killmail_date,
        {{ price_date('killmail_time') }} as price_date,
        item_type_id as type_id,
        {{ is_blueprint_copy() }} as is_copy,
        flag,
        coalesce(quantity_destroyed, 0) as destroyed,
        coalesce(quantity_dropped, 0) as dropped
    from {{ ref('stg_killmail_items') }}
    where {{ is_to_build('killmail_time') }}
),

priced as (
    select
        lines.killmail_date,
        killmails.region_id,
        lines.type_id,
        lines.destroyed,
        lines.dropped,
        {{ price_of('lines', 'type_id', method) }} as price,
        coalesce(volumes.packaged_volume, volumes.volume) as volume
    from lines
    inner join {{ ref('int_killmails') }} as killmails on lines.killmail_id = killmails.killmail_id
    left join {{ ref('int_types') }} as item_types on lines.type_id = item_types.type_id
    left join {{ ref('stg_types') }} as volumes on lines.type_id = volumes.type_id
    left join {{ ref('int_day_prices') }} as prices
        on
            lines.killmail_date = prices.killmail_date
            and lines.price_date = prices.price_date
            and lines.type_id = prices.type_id
    where killmails.region_id is not null
),

by_type as (
    select
        killmail_date,
        region_id,
        type_id,
        cast(sum(destroyed) as bigint) as destroyed_units,
        cast(sum(dropped) as bigint) as dropped_units,
        {{ isk('coalesce(sum(destroyed * price), 0)') }} as destroyed_value,
        {{ isk('coalesce(sum(dropped * price), 0)') }} as dropped_value,
        cast(coalesce(sum(destroyed + dropped) filter (where price is null), 0) as bigint) as unpriced_units,
        sum(destroyed) * max(volume) as destroyed_volume,
        sum(dropped) * max(volume) as dropped_volume
    from priced
    group by killmail_date, region_id, type_id
)

{{ with_names('by_type', names) }}

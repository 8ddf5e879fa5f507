{%- set names = {'region_name': ['region', 'region_id'], 'type_name': ['ship_type', 'type_id']} %}
{%- set method = default_price_method() %}
{{ config(unique_key='killmail_date', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['region_id', 'type_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

with lines as (
    {{ killmail_lines() }}
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
    having sum(destroyed + dropped) > 0
)

{{ with_names('by_type', names) }}

{%- set names = {'item_name': ['ship_type', 'item_type_id']} %}
{%- set method = default_price_method() %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['battle_id', 'side', 'item_type_id'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

with items as (
    select
        killmail_id,
        killmail_date as priced_date,
        {{ price_date('killmail_time') }} as price_date,
        item_type_id,
        flag,
        {{ is_blueprint_copy() }} as is_copy,
        coalesce(quantity_destroyed, 0) as destroyed,
        coalesce(quantity_dropped, 0) as dropped
    from {{ ref('stg_killmail_items') }}
    where {{ is_in_battle_to_build('killmail_time') }}
),

priced as (
    select
        losses.killmail_date,
        losses.battle_id,
        losses.side,
        items.item_type_id,
        items.destroyed,
        items.dropped,
        {{ price_of('items', 'item_type_id', method) }} as price
    from items
    inner join {{ ref('int_battle_losses') }} as losses on items.killmail_id = losses.killmail_id
    left join {{ ref('int_types') }} as item_types on items.item_type_id = item_types.type_id
    left join {{ ref('int_day_prices') }} as prices
        on
            items.priced_date = prices.killmail_date
            and items.price_date = prices.price_date
            and items.item_type_id = prices.type_id
    where {{ is_day_to_build('losses.killmail_date') }}
),

by_item as (
    select
        killmail_date,
        battle_id,
        side,
        item_type_id,
        cast(sum(destroyed) as bigint) as destroyed_units,
        cast(sum(dropped) as bigint) as dropped_units,
        {{ isk('coalesce(sum(destroyed * price), 0)') }} as destroyed_value,
        {{ isk('coalesce(sum(dropped * price), 0)') }} as dropped_value,
        cast(coalesce(sum(destroyed + dropped) filter (where price is null), 0) as bigint) as unpriced_units
    from priced
    group by killmail_date, battle_id, side, item_type_id
)

{{ with_names('by_item', names) }}

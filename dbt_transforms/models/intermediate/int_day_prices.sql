{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['killmail_date', 'price_date', 'type_id'], 'unique': true},
])) }}

{%- set window = 34 %}
{%- set the_forge = eve_ids().the_forge %}

with uses as (
    select
        killmail_date,
        {{ price_date('killmail_time') }} as price_date,
        victim_ship_type_id as type_id
    from {{ ref('stg_killmails') }}
    where {{ is_to_build('killmail_time') }}

    union

    select
        killmail_date,
        {{ price_date('killmail_time') }} as price_date,
        item_type_id as type_id
    from {{ ref('stg_killmail_items') }}
    where {{ is_to_build('killmail_time') }}

    -- The history of a type is stored together: in this order, its lookups read pages that are still cached.
    order by type_id, price_date
),

priced as (
    select
        uses.killmail_date,
        uses.price_date,
        uses.type_id,
        forge.traded_on as forge_date,
        forge.by_day[1] as forge_average,
        -- Of 34 averages, the two lowest and two highest are left out; of 7 to 33, the two highest.
        case
            when forge.averages = {{ window }} then (
                forge.total - forge.by_price[1] - forge.by_price[2]
                - forge.by_price[{{ window - 1 }}] - forge.by_price[{{ window }}]
            ) / {{ window - 4 }}
            when forge.averages >= 7 then (
                forge.total - forge.by_price[forge.averages - 1] - forge.by_price[forge.averages]
            ) / (forge.averages - 2)
            else forge.total / nullif(forge.averages, 0)
        end as trimmed,
        coalesce(esi.observed_on, esi_later.observed_on) as esi_date,
        coalesce(esi.average_price, esi_later.average_price) as esi_average
    from uses
    left join lateral (
        select
            max(traded_on) as traded_on,
            count(*) as averages,
            sum(average) as total,
            array_agg(average order by average) as by_price,
            array_agg(average order by traded_on desc) as by_day
        from (
            select
                history.traded_on,
                history.average
            from {{ ref('stg_market_history') }} as history
            where
                history.region_id = {{ the_forge }}
                and history.type_id = uses.type_id
                and history.traded_on <= uses.price_date
                and history.average > 0
            order by history.traded_on desc
            limit {{ window }}
        ) as latest
    ) as forge on true
    -- The last observation at or before the day; for days before the first observation, that one.
    left join lateral (
        select
            prices.observed_on,
            prices.average_price
        from {{ ref('stg_market_prices') }} as prices
        where prices.type_id = uses.type_id and prices.observed_on <= uses.price_date and prices.average_price > 0
        order by prices.observed_on desc
        limit 1
    ) as esi on true
    left join lateral (
        select
            prices.observed_on,
            prices.average_price
        from {{ ref('stg_market_prices') }} as prices
        where prices.type_id = uses.type_id and prices.observed_on > uses.price_date and prices.average_price > 0
        order by prices.observed_on
        limit 1
    ) as esi_later on true
)

select
    killmail_date,
    price_date,
    type_id,
    {{ isk("""case
        when forge_date = price_date then least(round(trimmed, 2), forge_average)
        else coalesce(round(trimmed, 2), esi_average)
    end""") }} as zkb_trimmed,
    coalesce(forge_date, esi_date) as zkb_trimmed_date,
    forge_date is null and esi_date is not null as is_zkb_trimmed_fallback,
    {{ isk('forge_average') }} as forge_average,
    forge_date as forge_average_date,
    {{ isk('esi_average') }} as esi_average,
    esi_date as esi_average_date,
    coalesce(esi_date > price_date, false) as is_esi_average_fallback
from priced

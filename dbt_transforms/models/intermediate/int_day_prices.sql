{{ config(unique_key='killmail_date', indexes=postgres_indexes([
    {'columns': ['killmail_date', 'price_date', 'type_id'], 'unique': true},
])) }}

{%- set window = 34 %}
{%- set the_forge = 10000002 %}

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
),

priced as (
    select
        uses.killmail_date,
        uses.price_date,
        uses.type_id,
        forge.traded_on as forge_date,
        forge.average as forge_average,
        forge.trimmed,
        coalesce(esi.observed_on, esi_later.observed_on) as esi_date,
        coalesce(esi.average_price, esi_later.average_price) as esi_average
    from uses
    left join lateral (
        -- Of 34 averages the two lowest and the two highest do not count, of 7 to 33 the two highest do not.
        select
            max(traded_on) as traded_on,
            max(average) filter (where recency = 1) as average,
            avg(average) filter (
                where
                by_price <= averages - case when averages >= 7 then 2 else 0 end
                and by_price > case when averages = {{ window }} then 2 else 0 end
            ) as trimmed
        from (
            select
                traded_on,
                average,
                count(*) over () as averages,
                row_number() over (order by average, traded_on) as by_price,
                row_number() over (order by traded_on desc) as recency
            from (
                select
                    traded_on,
                    average
                from {{ ref('stg_market_history') }} as history
                where
                    history.region_id = {{ the_forge }}
                    and history.type_id = uses.type_id
                    and history.traded_on <= uses.price_date
                    and history.average > 0
                order by history.traded_on desc
                limit {{ window }}
            ) as latest
        ) as ranked
    ) as forge on true
    -- The last observation at or before the day; before the first one there is only that.
    left join lateral (
        select
            observed_on,
            average_price
        from {{ ref('stg_market_prices') }} as prices
        where prices.type_id = uses.type_id and prices.observed_on <= uses.price_date and prices.average_price > 0
        order by prices.observed_on desc
        limit 1
    ) as esi on true
    left join lateral (
        select
            observed_on,
            average_price
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

{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['killmail_date', 'price_date', 'type_id'], 'unique': true},
])) }}

{#- Materials of materials are built down to this depth. -#}
{%- set deepest = 8 %}

with recursive mentions as (
    select
        killmail_date,
        {{ price_date('killmail_time') }} as price_date,
        {{ valued_on() }} as valued_on,
        victim_ship_type_id as type_id
    from {{ ref('stg_killmails') }}
    where {{ is_to_build('killmail_time') }}

    union

    select
        killmail_date,
        {{ price_date('killmail_time') }} as price_date,
        {{ valued_on() }} as valued_on,
        item_type_id as type_id
    from {{ ref('stg_killmail_items') }}
    where {{ is_to_build('killmail_time') }}
),

uses as (
    select
        mentions.killmail_date,
        mentions.price_date,
        mentions.valued_on,
        mentions.type_id,
        {{ is_built_first('mentions.type_id', 'item_types') }} as is_built_first,
        -- The day of the materials' prices: zKillboard takes the 3,601 seconds off the build's midnight once more.
        case
            when mentions.type_id = {{ eve_ids().customs_office }} then mentions.price_date
            when {{ is_built_first('mentions.type_id', 'item_types') }} then mentions.valued_on - 1
            else mentions.price_date - 1
        end as materials_on
    from mentions
    left join {{ ref('int_types') }} as item_types on mentions.type_id = item_types.type_id
),

-- What averages are needed of: what killmails mention, and the materials of what is built.
firsts as (
    select
        type_id,
        price_date as on_day
    from uses

    union

    select
        recipes.material_type_id as type_id,
        uses.materials_on as on_day
    from uses
    inner join {{ ref('int_recipes') }} as recipes on uses.type_id = recipes.product_type_id
    where uses.is_built_first

    -- The history of a type is stored together: in this order, its lookups read pages that are still cached.
    order by type_id, on_day
),

looked_up as (
    select
        firsts.type_id,
        firsts.on_day,
        1 as depth,
        forge.*
    from firsts
    cross join lateral (
{{ forge_prices('firsts.type_id', 'firsts.on_day') }}
    ) as forge

    union

    select
        recipes.material_type_id as type_id,
        products.on_day - 1 as on_day,
        products.depth + 1 as depth,
        forge.*
    from looked_up as products
    inner join {{ ref('int_recipes') }} as recipes on products.type_id = recipes.product_type_id
    cross join lateral (
{{ forge_prices('recipes.material_type_id', '(products.on_day - 1)') }}
    ) as forge
    where products.price is null and products.depth < {{ deepest }}
),

prices as (
    select distinct
        type_id,
        on_day,
        traded_on,
        average,
        trimmed,
        price
    from looked_up
),

-- Materials down to those with a price.
parts as (
    select
        uses.type_id,
        uses.materials_on,
        recipes.material_type_id as part_type_id,
        uses.materials_on as part_on,
        recipes.units,
        1 as depth
    from (
        select distinct
            uses.type_id,
            uses.materials_on
        from uses
        left join prices on uses.type_id = prices.type_id and uses.price_date = prices.on_day
        where uses.is_built_first or prices.price is null
    ) as uses
    inner join {{ ref('int_recipes') }} as recipes on uses.type_id = recipes.product_type_id

    union all

    select
        parts.type_id,
        parts.materials_on,
        recipes.material_type_id as part_type_id,
        parts.part_on - 1 as part_on,
        parts.units * recipes.units as units,
        parts.depth + 1 as depth
    from parts
    inner join prices on parts.part_type_id = prices.type_id and parts.part_on = prices.on_day
    inner join {{ ref('int_recipes') }} as recipes on parts.part_type_id = recipes.product_type_id
    where prices.price is null and parts.depth < {{ deepest }}
),

-- Without the price of a single material a build has no price; zKillboard takes a cent for it.
built as (
    select
        parts.type_id,
        parts.materials_on,
        case when count(*) = count(coalesce(prices.price, prices.trimmed))
            then sum(parts.units * coalesce(prices.price, prices.trimmed))
        end as price
    from parts
    inner join prices on parts.part_type_id = prices.type_id and parts.part_on = prices.on_day
    where
        prices.price is not null
        or parts.depth = {{ deepest }}
        or parts.part_type_id not in (select recipes.product_type_id from {{ ref('int_recipes') }} as recipes)
    group by parts.type_id, parts.materials_on
),

priced as (
    select
        uses.killmail_date,
        uses.price_date,
        uses.type_id,
        case
            when fixed.price is not null then 'fixed'
            when uses.is_built_first and built.price > 0.01 then 'materials'
            when prices.price is not null then 'averages'
            when built.price is not null then 'materials'
            when prices.trimmed is not null then 'averages'
            when coalesce(esi.average_price, esi_later.average_price) is not null then 'esi'
        end as basis,
        fixed.price as fixed_price,
        built.price as build_price,
        coalesce(prices.price, prices.trimmed) as trimmed,
        uses.materials_on,
        prices.traded_on as forge_date,
        prices.average as forge_average,
        coalesce(esi.observed_on, esi_later.observed_on) as esi_date,
        coalesce(esi.average_price, esi_later.average_price) as esi_average
    from uses
    inner join prices on uses.type_id = prices.type_id and uses.price_date = prices.on_day
    left join built on uses.type_id = built.type_id and uses.materials_on = built.materials_on
    left join {{ ref('zkb_fixed_prices') }} as fixed
        on
            uses.type_id = fixed.type_id
            and uses.valued_on >= coalesce(fixed.since, uses.valued_on)
            and (fixed.until is null or uses.valued_on < fixed.until)
    -- The last observation at or before the day; for days before the first observation, that one.
    left join lateral (
        select
            observed.observed_on,
            observed.average_price
        from {{ ref('stg_market_prices') }} as observed
        where
            observed.type_id = uses.type_id
            and observed.observed_on <= uses.price_date
            and observed.average_price > 0
        order by observed.observed_on desc
        limit 1
    ) as esi on true
    left join lateral (
        select
            observed.observed_on,
            observed.average_price
        from {{ ref('stg_market_prices') }} as observed
        where
            observed.type_id = uses.type_id
            and observed.observed_on > uses.price_date
            and observed.average_price > 0
        order by observed.observed_on
        limit 1
    ) as esi_later on true
)

select
    killmail_date,
    price_date,
    type_id,
    {{ isk("""case basis
        when 'fixed' then fixed_price
        when 'materials' then build_price
        when 'averages' then trimmed
        when 'esi' then esi_average
    end""") }} as zkb_trimmed,
    basis as zkb_trimmed_basis,
    case basis
        when 'materials' then materials_on
        when 'averages' then forge_date
        when 'esi' then esi_date
    end as zkb_trimmed_date,
    coalesce(basis = 'esi', false) as is_zkb_trimmed_fallback,
    {{ isk('forge_average') }} as forge_average,
    forge_date as forge_average_date,
    {{ isk('esi_average') }} as esi_average,
    esi_date as esi_average_date,
    coalesce(esi_date > price_date, false) as is_esi_average_fallback
from priced

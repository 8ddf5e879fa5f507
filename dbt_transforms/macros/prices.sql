{#- zKillboard's prices (classes/Price.php, classes/Build.php). -#}

{#- Fixed prices by kind of item, of every method: 0.01 for blueprint copies and items that cannot be sold, 10,000 for a
    capsule, 200 for two ores whose market is manipulated. -#}
{% macro fixed_price(type_id, group_id, category_id, is_copy, flag) -%}
    case
        when
            {{ is_copy }} or {{ flag }} = 179 or {{ category_id }} = {{ eve_ids().skin }}
            or ({{ type_id }} = {{ eve_ids().golden_capsule_implant }} and {{ flag }} = 89)
            then 0.01
        when {{ group_id }} = {{ eve_ids().capsule }} then 10000
        when {{ group_id }} in ({{ eve_ids().mordunium }}, {{ eve_ids().griemeer }}) then 200
    end
{%- endmacro %}

{#- The price of a line of a killmail, a hull or an item, by a method; null: not known. The query joins int_types as
    `item_types` and int_day_prices as `prices`. -#}
{% macro price_of(lines, type_column, method) -%}
    coalesce(
        {{ fixed_price(
            lines ~ '.' ~ type_column, 'item_types.group_id', 'item_types.category_id', lines ~ '.is_copy', lines ~ '.flag'
        ) }},
        case when item_types.is_mutated then null else prices.{{ method }} end
    )
{%- endmacro %}

{#- What the killmails to build are worth, line by line: the hull, and each item. Models price them with price_of. -#}
{% macro killmail_lines() -%}
    select
        killmail_id,
        killmail_date,
        {{ price_date('killmail_time') }} as price_date,
        victim_ship_type_id as type_id,
        false as is_copy,
        null as flag,
        true as is_hull,
        true as is_fitted,
        false as is_droppable,
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
        false as is_hull,
        {{ is_fitted_zkb('flag', 'parent_index') }} as is_fitted,
        flag <> 89 and flag not between 92 and 99 and flag not between 125 and 132 as is_droppable,
        coalesce(quantity_destroyed, 0) as destroyed,
        coalesce(quantity_dropped, 0) as dropped
    from {{ ref('stg_killmail_items') }}
    where {{ is_to_build('killmail_time') }}
{%- endmacro %}

{#- Condition: an item is a copy of a blueprint. Before this id, killmails do not mark copies: zKillboard takes blueprints
    in containers for copies. -#}
{% macro is_blueprint_copy() -%}
    (
        singleton = 2 or (
            killmail_id < 21112472
            and parent_index is not null
            and item_type_id in (
                select blueprints.type_id from {{ ref('stg_types') }} as blueprints
                where blueprints.type_name like '%Blueprint%'
            )
        )
    )
{%- endmacro %}

{#- Condition: zKillboard takes what a type costs to build before it looks at averages. -#}
{% macro is_built_first(type_id, types) -%}
    (
        {{ type_id }} = {{ eve_ids().customs_office }}
        or coalesce({{ types }}.group_id in ({{ eve_ids().titan }}, {{ eve_ids().supercarrier }}), false)
        or coalesce({{ types }}.category_id = {{ eve_ids().structure_module }}, false)
    )
{%- endmacro %}

{#- The UTC day on which fixed prices apply and types are built: the killmail's, without 3,601 seconds off. -#}
{% macro valued_on() -%}
    {{ price_date('killmail_time') if var('price_as_of') else 'killmail_date' }}
{%- endmacro %}

{#- The prices of a type on a day, a subquery for a lateral join: one row.
    `traded_on` and `average`: the latest average in The Forge at or before the day.
    `trimmed`: the mean of those looked at; of 34 without the two lowest and two highest, of 7 to 33 without the two
    highest. Looked at are as many calendar days, back from the day, as the type has averages, until 34 are found.
    zKillboard also counts averages of later days if it has some when it values the killmail; here only those until the
    day count, as when a killmail is new.
    `price`: a fixed price without dates, else `trimmed`, or the day's own average where it is lower; none for a cent or
    less, as zKillboard then builds the type. -#}
{% macro forge_prices(type_id, day) -%}
    {%- set window = 34 %}
    {%- set history %}
                from {{ ref('stg_market_history') }} as history
                where
                    history.region_id = {{ eve_ids().the_forge }}
                    and history.type_id = {{ type_id }}
                    and history.traded_on <= {{ day }}
                    and history.average > 0
    {%- endset %}
        select
            latest.days[1] as traded_on,
            latest.averages[1] as average,
            mean.trimmed,
            case
                when fixed.price is not null then fixed.price
                when latest.days[1] = {{ day }} and mean.trimmed > 0.01 then least(mean.trimmed, latest.averages[1])
                when latest.days[1] = {{ day }} then latest.averages[1]
                when mean.trimmed > 0.01 then mean.trimmed
            end as price
        from (
            select
                array_agg(traded_on order by traded_on desc) as days,
                array_agg(average order by traded_on desc) as averages
            from (
                select
                    history.traded_on,
                    history.average
                {{- history }}
                order by history.traded_on desc
                limit {{ window }}
            ) as at_most
        ) as latest
        cross join lateral (
            -- Counted as far as it decides: 34 averages on 34 days need no count.
            select case
                when {{ day }} - latest.days[{{ window }}] < {{ window }} then {{ window }}
                else (
                    select count(*) from (
                        select 1 as counted
                        {{- history }}
                        limit {{ day }} - latest.days[cardinality(latest.days)] + 1
                    ) as known
                )
            end as days
        ) as look_back
        cross join lateral (
            select
                count(*) as averages,
                sum(each_day.average) as total,
                array_agg(each_day.average order by each_day.average) as by_price
            from unnest(latest.days, latest.averages) as each_day (traded_on, average)
            where {{ day }} - each_day.traded_on < look_back.days
        ) as looked_at
        cross join lateral (
            select round(case
                when looked_at.averages = {{ window }} then (
                    looked_at.total - looked_at.by_price[1] - looked_at.by_price[2]
                    - looked_at.by_price[{{ window - 1 }}] - looked_at.by_price[{{ window }}]
                ) / {{ window - 4 }}
                when looked_at.averages >= 7 then (
                    looked_at.total - looked_at.by_price[looked_at.averages - 1]
                    - looked_at.by_price[looked_at.averages]
                ) / (looked_at.averages - 2)
                else looked_at.total / nullif(looked_at.averages, 0)
            end, 2) as trimmed
        ) as mean
        left join {{ ref('zkb_fixed_prices') }} as fixed
            on fixed.type_id = {{ type_id }} and fixed.since is null and fixed.until is null
{%- endmacro %}

{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['killmail_id'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{%- set methods = price_methods() %}

with lines as (
    {{ killmail_lines() }}
),

priced as (
    select
        lines.killmail_id,
        lines.killmail_date,
        lines.is_hull,
        lines.is_fitted,
        lines.is_droppable,
        lines.destroyed,
        lines.dropped,
        lines.destroyed + lines.dropped as units,
        coalesce(item_types.is_mutated, false) as is_mutated,
        prices.type_id is null as is_unseen,
        {%- for method in methods %}
        {{ price_of('lines', 'type_id', method) }} as {{ method }},
        {{ 'false' if method == 'forge_average' else 'coalesce(prices.is_' ~ method ~ '_fallback, false)' }}
            as is_{{ method }}_fallback{{ ',' if not loop.last }}
        {%- endfor %}
    from lines
    left join {{ ref('int_day_prices') }} as prices
        on
            lines.killmail_date = prices.killmail_date
            and lines.price_date = prices.price_date
            and lines.type_id = prices.type_id
    left join {{ ref('int_types') }} as item_types on lines.type_id = item_types.type_id
),

any_price as (
    select
        *,
        coalesce({{ methods | join(', ') }}) as best_known
    from priced
)

select
    killmail_id,
    killmail_date,
    cast(sum(units) as bigint) as units,
    cast(coalesce(sum(units) filter (where is_mutated), 0) as bigint) as mutated_units,
    {%- for method in methods %}
    {{ isk("coalesce(sum(destroyed * " ~ method ~ "), 0)") }} as {{ method }}_destroyed,
    {{ isk("coalesce(sum(dropped * " ~ method ~ "), 0)") }} as {{ method }}_dropped,
    {{ isk("coalesce(sum(units * " ~ method ~ ") filter (where is_fitted), 0)") }} as {{ method }}_fitted,
    {{ isk("sum(" ~ method ~ ") filter (where is_hull)") }} as {{ method }}_hull,
    {{ isk("coalesce(sum(units * " ~ method ~ ") filter (where is_droppable), 0)") }} as {{ method }}_droppable,
    cast(coalesce(sum(units) filter (where {{ method }} is null), 0) as bigint) as {{ method }}_unpriced_units,
    {{ isk("coalesce(sum(units * best_known) filter (where " ~ method ~ " is null), 0)") }}
        as {{ method }}_unpriced_value,
    {{ isk("coalesce(sum(units * " ~ method ~ ") filter (where is_" ~ method ~ "_fallback), 0)") }}
        as {{ method }}_fallback_value{{ ',' if not loop.last }}
    {%- endfor %}
from any_price
group by killmail_id, killmail_date
-- Killmails stored after the prices were looked up are left to the next build.
having not bool_or(is_unseen)

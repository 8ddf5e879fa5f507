with by_method as (
    {% for method in price_methods() %}
    select
        killmail_id,
        killmail_date,
        '{{ method }}' as price_method,
        {{ method }}_destroyed as destroyed_value,
        {{ method }}_dropped as dropped_value,
        {{ method }}_destroyed + {{ method }}_dropped as total_value,
        {{ method }}_fitted as fitted_value,
        {{ method }}_hull as hull_value,
        {{ method }}_droppable as droppable_value,
        units,
        mutated_units,
        {{ method }}_unpriced_units as unpriced_units,
        {{ method }}_unpriced_value as unpriced_value,
        {{ method }}_fallback_value as fallback_value
    from {{ ref('int_killmail_values') }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    by_method.killmail_id,
    by_method.killmail_date,
    by_method.price_method,
    {{ isk('by_method.total_value') }} as total_value,
    by_method.destroyed_value,
    by_method.dropped_value,
    by_method.fitted_value,
    by_method.hull_value,
    by_method.hull_value is not null as is_hull_priced,
    by_method.droppable_value,
    by_method.units,
    by_method.mutated_units,
    by_method.unpriced_units,
    cast(by_method.unpriced_units as double precision) / nullif(by_method.units, 0) as unpriced_units_share,
    -- Without a price of the hull, the share is unknown.
    case
        when by_method.hull_value is not null then cast(
            (by_method.unpriced_value + by_method.fallback_value)
            / nullif(by_method.total_value + by_method.unpriced_value, 0) as double precision
        )
    end as unpriced_value_share,
    zkillboard.total_value as zkillboard_total_value,
    zkillboard.fitted_value as zkillboard_fitted_value,
    zkillboard.destroyed_value as zkillboard_destroyed_value,
    zkillboard.dropped_value as zkillboard_dropped_value,
    cast(by_method.total_value as double precision) - zkillboard.total_value as difference_from_zkillboard
from by_method
left join {{ ref('stg_zkillboard_values') }} as zkillboard on by_method.killmail_id = zkillboard.killmail_id

-- One row a killmail, so that sums count it once: the other price methods are in fct_killmail_values_by_method.
select
    killmail_id,
    killmail_date,
    price_method,
    total_value,
    destroyed_value,
    dropped_value,
    fitted_value,
    hull_value,
    is_hull_priced,
    droppable_value,
    units,
    mutated_units,
    unpriced_units,
    unpriced_units_share,
    unpriced_value_share,
    zkillboard_total_value,
    zkillboard_fitted_value,
    zkillboard_destroyed_value,
    zkillboard_dropped_value,
    difference_from_zkillboard
from {{ ref('fct_killmail_values_by_method') }}
where price_method = '{{ default_price_method() }}'

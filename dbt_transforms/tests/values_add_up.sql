{{ config(meta={'dagster': {'ref': {'name': 'fct_killmail_values'}}}) }}

-- Destroyed and dropped make the total, by every method, and what is fitted, droppable or the hull is part of it.
select *
from {{ tested(ref('fct_killmail_values')) }}
where
    total_value <> destroyed_value + dropped_value
    or fitted_value > total_value
    or hull_value > fitted_value
    or droppable_value > total_value
    or unpriced_units > units

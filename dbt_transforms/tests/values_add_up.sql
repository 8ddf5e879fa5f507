{{ config(meta={'dagster': {'ref': {'name': 'fct_killmail_values'}}}) }}

-- By every price method, destroyed and dropped add up to the total, and fitted, droppable and hull are parts of it.
select *
from {{ tested(ref('fct_killmail_values')) }}
where
    total_value <> destroyed_value + dropped_value
    or fitted_value > total_value
    or hull_value > fitted_value
    or droppable_value > total_value
    or unpriced_units > units

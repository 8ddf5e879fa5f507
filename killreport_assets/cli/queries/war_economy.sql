-- What was destroyed and dropped by category: units, ISK and cubic metres, over all days.
select
    types.category_name,
    sum(economy.destroyed_units) as destroyed_units,
    sum(economy.dropped_units) as dropped_units,
    sum(economy.destroyed_value) as destroyed_isk,
    sum(economy.dropped_value) as dropped_isk,
    sum(economy.unpriced_units) as unpriced_units,
    round(cast(sum(economy.destroyed_volume) as numeric)) as destroyed_m3
from marts.mart_war_economy as economy
inner join marts.dim_types as types on economy.type_id = types.type_id
group by types.category_name
order by destroyed_isk desc, 1
limit 20

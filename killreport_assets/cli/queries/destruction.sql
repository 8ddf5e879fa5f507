-- What was destroyed unusually often in a region on a day, compared with the 90 days before it.
select
    demand.killmail_date,
    regions.region_name,
    types.type_name,
    demand.destroyed_units,
    round(cast(demand.z_score as numeric), 1) as z_score
from marts.mart_destruction_demand as demand
left join marts.dim_regions as regions using (region_id)
left join marts.dim_types as types using (type_id)
where demand.z_score is not null
order by demand.z_score desc, demand.killmail_date, demand.type_id
limit 10

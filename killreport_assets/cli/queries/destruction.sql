-- What was destroyed unusually often in a region on a day, compared with the 90 days before it.
select
    demand.killmail_date,
    demand.region_name,
    demand.type_name,
    demand.destroyed_units,
    round(cast(demand.z_score as numeric), 1) as z_score
from marts.mart_destruction_demand as demand
where demand.z_score is not null
order by demand.z_score desc, demand.killmail_date, demand.type_id
limit 10

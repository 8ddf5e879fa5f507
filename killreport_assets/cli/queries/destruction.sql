-- What was destroyed unusually often in a region on a day, compared with the 90 days before it.
select
    killmail_date,
    region_name,
    type_name,
    destroyed_units,
    round(cast(z_score as numeric), 1) as z_score
from marts.mart_destruction_demand
where z_score is not null
order by mart_destruction_demand.z_score desc, killmail_date, type_id
limit 10

-- Killmails by UTC hour: when people fight.
select
    hour,
    sum(kills) as killmails
from marts.mart_activity_hours
where entity_kind = 'region'
group by hour
order by hour

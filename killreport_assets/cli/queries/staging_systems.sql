-- Where alliances and corporations had fleet kills on most days of 30, in the last week that is known.
select
    week,
    entity_kind,
    coalesce(entity_name, cast(entity_id as text)) as entity,
    solar_system_name,
    fleet_kill_days,
    fleet_kills
from marts.mart_staging_systems
where rank = 1 and week = (select max(latest.week) from marts.mart_staging_systems as latest)
order by fleet_kill_days desc, fleet_kills desc, 3
limit 20

-- When the most active corporations and alliances of the last 90 days fight.
select
    entity_kind,
    coalesce(entity_name, cast(entity_id as text)) as entity,
    kills,
    primary_time_zone,
    fleet_kills,
    fleet_primary_time_zone
from marts.mart_time_zones
order by kills desc, entity_kind, 2
limit 20

-- The largest fleets of the last 90 days by distinct pilots, and the hulls that most of them flew.
select
    sessions.started_at,
    sessions.entity_kind,
    coalesce(sessions.entity_name, cast(sessions.entity_id as text)) as entity,
    sessions.region_name,
    sessions.pilots,
    sessions.kills,
    (
        select string_agg(
                ships.ship_type_name || ' ' || ships.pilots, ', ' order by ships.pilots desc, ships.ship_type_id
            )
        from (
            select
                composition.ship_type_id,
                composition.ship_type_name,
                composition.pilots
            from marts.mart_fleet_composition as composition
            where
                composition.entity_kind = sessions.entity_kind
                and composition.entity_id = sessions.entity_id
                and composition.session_id = sessions.session_id
            order by composition.pilots desc, composition.ship_type_id
            limit 3
        ) as ships
    ) as mostly
from marts.mart_fleet_sessions as sessions
order by sessions.pilots desc, sessions.kills desc, sessions.session_id
limit 10

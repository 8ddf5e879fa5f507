{{ config(tags=['nightly'], unique_key=none, incremental_strategy='replace_all', indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'session_id']},
])) }}

with pilots as (
    {% for kind in ['corporation', 'alliance'] %}
    select
        '{{ kind }}' as entity_kind,
        {{ kind }}_id as entity_id,
        killmail_id,
        killmail_time,
        killmail_date,
        region_id,
        solar_system_id,
        character_id,
        max(ship_type_id) as ship_type_id
    from {{ ref('int_recent_attackers') }}
    where {{ has_player_entity(kind, kind ~ '_id') }}
    group by {{ kind }}_id, killmail_id, killmail_time, killmail_date, region_id, solar_system_id, character_id
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

kills as (
    select
        entity_kind,
        entity_id,
        region_id,
        killmail_id,
        killmail_time,
        count(*) as pilots_on_killmail,
        lag(killmail_time) over (
            partition by entity_kind, entity_id, region_id order by killmail_time, killmail_id
        ) as killmail_time_before
    from pilots
    group by entity_kind, entity_id, region_id, killmail_id, killmail_time
    having count(*) >= 2
),

numbered as (
    select
        *,
        count(*) filter (
            where killmail_time_before is null or killmail_time - killmail_time_before > interval '30 minutes'
        ) over (
            partition by entity_kind, entity_id, region_id order by killmail_time, killmail_id
            rows between unbounded preceding and current row
        ) as session_number
    from kills
),

sessions as (
    select
        entity_kind,
        entity_id,
        killmail_id,
        pilots_on_killmail,
        first_value(killmail_id) over (
            partition by entity_kind, entity_id, region_id, session_number order by killmail_time, killmail_id
        ) as session_id
    from numbered
),

large_enough as (
    select
        sessions.entity_kind,
        sessions.entity_id,
        sessions.session_id
    from sessions
    inner join pilots
        on
            sessions.entity_kind = pilots.entity_kind
            and sessions.entity_id = pilots.entity_id
            and sessions.killmail_id = pilots.killmail_id
    group by sessions.entity_kind, sessions.entity_id, sessions.session_id
    having count(distinct pilots.character_id) >= {{ var('fleet_pilots') }}
)

select
    pilots.entity_kind,
    pilots.entity_id,
    sessions.session_id,
    pilots.killmail_id,
    pilots.killmail_time,
    pilots.killmail_date,
    pilots.region_id,
    pilots.solar_system_id,
    pilots.character_id,
    pilots.ship_type_id,
    sessions.pilots_on_killmail
from pilots
inner join sessions
    on
        pilots.entity_kind = sessions.entity_kind
        and pilots.entity_id = sessions.entity_id
        and pilots.killmail_id = sessions.killmail_id
inner join large_enough
    on
        sessions.entity_kind = large_enough.entity_kind
        and sessions.entity_id = large_enough.entity_id
        and sessions.session_id = large_enough.session_id

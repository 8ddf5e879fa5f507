{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'solar_system_name': ['system', 'solar_system_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['week', 'entity_kind', 'entity_id', 'solar_system_id'], 'unique': true},
    {'columns': ['entity_kind', 'entity_id']}, {'columns': ['solar_system_id']},
])) }}

with fleet_kills as (
    {% for kind in ['corporation', 'alliance'] %}
    select
        '{{ kind }}' as entity_kind,
        attackers.{{ kind }}_id as entity_id,
        killmails.killmail_id,
        killmails.killmail_date,
        killmails.solar_system_id
    from {{ ref('stg_killmail_attackers') }} as attackers
    inner join {{ ref('int_killmails') }} as killmails on attackers.killmail_id = killmails.killmail_id
    cross join {{ ref('int_build') }} as build
    where
        killmails.killmail_date > build.as_of - {{ var('staging_days') }} - 30
        and killmails.killmail_date <= build.as_of
        and {{ is_recent('attackers.killmail_time', 'staging_days', 30) }}
        and coalesce(killmails.victim_ship_group_id, 0) not in (
            {{ eve_ids().capsule }}, {{ eve_ids().shuttle }}, {{ eve_ids().corvette }}
        )
        and {{ is_player_character('attackers.character_id') }}
        and {{ has_player_entity(kind, 'attackers.' ~ kind ~ '_id') }}
    group by
        attackers.{{ kind }}_id, killmails.killmail_id, killmails.killmail_date, killmails.solar_system_id
    having count(distinct attackers.character_id) >= 2
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

by_day as (
    select
        entity_kind,
        entity_id,
        solar_system_id,
        killmail_date,
        count(*) as fleet_kills
    from fleet_kills
    group by entity_kind, entity_id, solar_system_id, killmail_date
),

-- The weeks of whose 30 days a day is one: they end on Sundays.
by_week as (
    select
        {{ week_of('weeks.killmail_date') }} as week,
        by_day.entity_kind,
        by_day.entity_id,
        by_day.solar_system_id,
        count(*) as fleet_kill_days,
        cast(sum(by_day.fleet_kills) as bigint) as fleet_kills,
        max(by_day.killmail_date) as last_date
    from by_day
    cross join {{ ref('int_build') }} as build
    cross join lateral {{ days_between('by_day.killmail_date', 'by_day.killmail_date + 29') }} as weeks
    where
        {{ weekday_of('weeks.killmail_date') }} = 7
        and weeks.killmail_date > build.as_of - {{ var('staging_days') }}
        and weeks.killmail_date < build.as_of + 7
    group by weeks.killmail_date, by_day.entity_kind, by_day.entity_id, by_day.solar_system_id
),

ranked as (
    select
        *,
        row_number() over (
            partition by week, entity_kind, entity_id order by fleet_kill_days desc, fleet_kills desc, solar_system_id
        ) as rank
    from by_week
    where fleet_kill_days >= 3
)

{{ with_names('ranked', names) }}

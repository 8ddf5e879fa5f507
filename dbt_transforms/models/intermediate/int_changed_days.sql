{{ config(materialized='table', post_hook="{{ analyze_changed_months() }}") }}

{%- set concord = 1000125 %}
with cadences as (
    select 'frequent' as cadence
    union all
    select 'nightly' as cadence
),

changes as (
    select
        cadences.cadence,
        changed.killmail_date,
        changed.earliest,
        changed.latest
    from cadences
    cross join {{ ref('stg_changed_days') }} as changed
    cross join {{ ref('int_build') }} as build
    left join {{ ref('stg_transform_builds') }} as builds on cadences.cadence = builds.cadence
    where
        {{ is_seen('changed.changed_in', 'build.snapshot') }}
        and (builds.snapshot is null or not {{ is_seen('changed.changed_in', 'builds.snapshot') }})
),

-- is_ganked of a killmail depends on CONCORD's kills within an hour of it, and on what else the punished pilot did
-- within an hour of those: across midnight it changes on the other day.
written as (
    select
        cadence,
        killmail_date,
        min(earliest) as earliest,
        max(latest) as latest
    from changes
    group by cadence, killmail_date
),

neighbours as (
    select
        written.cadence,
        {{ utc_date("punishing.killmail_time + direction.hours * interval '1 hour'") }} as killmail_date
    from written
    cross join lateral (
        select attackers.killmail_time
        from {{ ref('stg_killmail_attackers') }} as attackers
        where
            attackers.corporation_id = {{ concord }}
            and attackers.killmail_time >= written.earliest - interval '1 hour'
            and attackers.killmail_time <= written.latest + interval '1 hour'
    ) as punishing
    cross join (
        select -1 as hours
        union all
        select 1 as hours
    ) as direction
)

select distinct
    cadence,
    killmail_date
from changes

union

select
    cadence,
    killmail_date
from neighbours

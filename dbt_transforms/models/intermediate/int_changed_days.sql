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

-- CONCORD's kill of a ganker can be a few minutes after the kill that it punishes, or before: over midnight the other
-- day's is_ganked changes.
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
    inner join {{ ref('stg_killmail_attackers') }} as punishing
        on
            written.killmail_date = punishing.killmail_date
            and punishing.killmail_time between written.earliest and written.latest
    cross join (
        select -1 as hours
        union all
        select 1 as hours
    ) as direction
    where
        punishing.corporation_id = {{ concord }}
        and punishing.killmail_time >= (select min(changes.earliest) from changes)
        and punishing.killmail_time <= (select max(changes.latest) from changes)
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

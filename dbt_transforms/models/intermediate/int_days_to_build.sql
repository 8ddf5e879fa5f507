{{ config(materialized='table') }}

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
),

changed as (
    select
        cadence,
        killmail_date,
        earliest,
        latest
    from written

    union all

    select
        cadence,
        killmail_date,
        cast(null as timestamp with time zone) as earliest,
        cast(null as timestamp with time zone) as latest
    from neighbours
),

months as (
    select
        cadence,
        {{ month_of('killmail_date') }} as month,
        {{ killmails_of_month(month_of('min(killmail_date)')) }} as killmails
    from changed
    group by cadence, {{ month_of('killmail_date') }}
),

later as (
    select
        cadence,
        month,
        sum(killmails) over (partition by cadence order by month desc) - killmails as killmails_of_later_months
    from months
)

select
    changed.cadence,
    changed.killmail_date,
    min(changed.earliest) as earliest,
    max(changed.latest) as latest,
    bool_and({{ fits_into_a_build('later.killmails_of_later_months') }}) as is_now
from changed
inner join later on changed.cadence = later.cadence and {{ month_of('changed.killmail_date') }} = later.month
group by changed.cadence, changed.killmail_date

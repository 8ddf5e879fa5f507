{{ config(materialized='table', pre_hook="{{ forget_builds() }}") }}

{%- set concord = 1000125 %}
with cadences as (
    select
        names.cadence,
        builds.snapshot,
        {% if flags.FULL_REFRESH -%}
        true
        {%- else -%}
        builds.snapshot is null
        or coalesce(builds.definitions, -1) <> {{ definitions('names.cadence', ref('mart_metric_changes')) }}
        {%- endif %} as is_rebuild
    from (
        select 'frequent' as cadence
        union all
        select 'nightly' as cadence
    ) as names
    left join {{ ref('stg_transform_builds') }} as builds on names.cadence = builds.cadence
),

stored as (
    select
        month,
        killmails
    from {{ stored_months() }} as months
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
    where
        {{ is_seen('changed.changed_in', 'build.snapshot') }}
        and (cadences.snapshot is null or not {{ is_seen('changed.changed_in', 'cadences.snapshot') }})
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

    union all

    -- A battle belongs to the day of its first killmail, and changes with each of them.
    select
        written.cadence,
        battles.killmail_date,
        cast(null as timestamp with time zone) as earliest,
        cast(null as timestamp with time zone) as latest
    from written
    inner join {{ ref('stg_battles') }} as battles
        on
            written.killmail_date > battles.killmail_date
            and written.killmail_date <= {{ utc_date('battles.ended_at') }}

    union all

    -- One stretch of days, those without killmails too: a condition a day would be slower than to build them.
    select
        cadences.cadence,
        days.killmail_date,
        cast(null as timestamp with time zone) as earliest,
        cast(null as timestamp with time zone) as latest
    from cadences
    cross join (
        select
            min(month) as first_month,
            max(month) as last_month
        from stored
    ) as span
    cross join lateral {{ days_between('span.first_month', "span.last_month + interval '1 month - 1 day'") }} as days
    where cadences.is_rebuild
),

since as (
    select
        cadence,
        killmail_date,
        earliest,
        latest
    from changed
    {%- if marts_from() %}
    where killmail_date >= cast('{{ marts_from() }}' as date)
    {%- endif %}
),

months as (
    select
        days.cadence,
        days.month,
        coalesce(stored.killmails, 0) as killmails
    from (
        select distinct
            cadence,
            {{ month_of('killmail_date') }} as month
        from since
    ) as days
    left join stored on days.month = stored.month
),

later as (
    select
        cadence,
        month,
        sum(killmails) over (partition by cadence order by month desc) - killmails as killmails_of_later_months
    from months
)

select
    since.cadence,
    since.killmail_date,
    min(since.earliest) as earliest,
    max(since.latest) as latest,
    bool_or(cadences.is_rebuild) as is_rebuild,
    bool_and({{ fits_into_a_build('later.killmails_of_later_months') }}) as is_now
from since
inner join cadences on since.cadence = cadences.cadence
inner join later on since.cadence = later.cadence and {{ month_of('since.killmail_date') }} = later.month
group by since.cadence, since.killmail_date

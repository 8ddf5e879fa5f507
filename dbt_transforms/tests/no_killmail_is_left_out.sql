{{ config(meta={'dagster': {'ref': {'name': 'int_killmails'}}}) }}

-- Every stored killmail is in int_killmails, except on days that changed after the start of this build, or that it
-- leaves to the next one.
with stored as (
    select
        killmail_date,
        count(*) as killmails
    from {{ ref('stg_killmails') }}
    where {{ in_changed_times('killmail_time') if var('tests') == 'changed' else 'true' }}
    group by killmail_date
),

built as (
    select
        killmail_date,
        count(*) as killmails
    from {{ tested(ref('int_killmails')) }}
    group by killmail_date
)

select
    stored.killmail_date,
    stored.killmails as stored_killmails,
    built.killmails as built_killmails
from stored
left join built on stored.killmail_date = built.killmail_date
cross join {{ ref('int_build') }} as build
where
    stored.killmails <> coalesce(built.killmails, 0)
    {%- if marts_from() %}
    and stored.killmail_date >= cast('{{ marts_from() }}' as date)
    {%- endif %}
    and not exists (
        select 1
        from {{ ref('stg_changed_days') }} as changed
        where
            changed.killmail_date = stored.killmail_date
            and not {{ is_seen('changed.changed_in', 'build.snapshot') }}
    )
    and not exists (
        select 1
        from {{ ref('int_days_to_build') }} as left_to_the_next
        where left_to_the_next.killmail_date = stored.killmail_date and not left_to_the_next.is_now
    )

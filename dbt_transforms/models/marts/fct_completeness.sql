{{ config(materialized='incremental', incremental_strategy='replace_all',
    indexes=postgres_indexes([{'columns': ['killmail_date'], 'unique': true}])) }}

{%- set sources = ['r2z2', 'everef', 'zkillboard', 'esi'] %}

with stored as (
    select
        killmail_date,
        {% for source in sources -%}
        sum(case when source = '{{ source }}' then killmails else 0 end) as from_{{ source }},
        {% endfor -%}
        sum(killmails) as stored_killmails
    from {{ ref('int_stored_daily') }}
    group by killmail_date
),

missing as (
    select
        killmail_date,
        count(*) as missing_for_good
    from {{ ref('stg_missing_killmails') }}
    where reason is not null
    group by killmail_date
),

days as (
    select killmail_date from stored
    union
    select killmail_date from {{ ref('stg_history_days') }}
),

counted as (
    select
        days.killmail_date,
        history.everef_total as everef_killmails,
        history.zkillboard_total as zkillboard_killmails,
        greatest(
            coalesce(history.everef_total, 0),
            coalesce(history.zkillboard_total, 0),
            coalesce(stored.stored_killmails, 0)
        ) as known_killmails,
        {% for source in sources -%}
        coalesce(stored.from_{{ source }}, 0) as from_{{ source }},
        {% endfor -%}
        coalesce(stored.stored_killmails, 0) as stored_killmails,
        coalesce(history.rejected, 0) as rejected_killmails,
        coalesce(history.late, 0) as late_killmails,
        coalesce(missing.missing_for_good, 0) as missing_for_good,
        history.loaded_at,
        coalesce(history.everef_total, history.zkillboard_total) is not null as is_compared
    from days
    left join stored on days.killmail_date = stored.killmail_date
    left join missing on days.killmail_date = missing.killmail_date
    left join {{ ref('stg_history_days') }} as history on days.killmail_date = history.killmail_date
)

select
    killmail_date,
    cast(everef_killmails as bigint) as everef_killmails,
    cast(zkillboard_killmails as bigint) as zkillboard_killmails,
    cast(known_killmails as bigint) as known_killmails,
    cast(stored_killmails as bigint) as stored_killmails,
    {% for source in sources -%}
    cast(from_{{ source }} as bigint) as from_{{ source }},
    {% endfor -%}
    cast(rejected_killmails as bigint) as rejected_killmails,
    cast(late_killmails as bigint) as late_killmails,
    cast(missing_for_good as bigint) as missing_for_good,
    case
        when not is_compared then null
        when known_killmails = 0 then 1.0
        else cast(stored_killmails as double precision) / known_killmails
    end as coverage,
    is_compared and stored_killmails + missing_for_good >= known_killmails as is_complete,
    loaded_at
from counted

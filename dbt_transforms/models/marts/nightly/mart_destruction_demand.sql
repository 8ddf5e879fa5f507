{%- set window = 90 %}
{%- set names = {'region_name': ['region', 'region_id'], 'type_name': ['ship_type', 'type_id']} %}
{{ config(unique_key='killmail_date', meta={'spread': 90, 'names': names}, indexes=postgres_indexes([
    {'columns': ['type_id', 'region_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

-- A day is part of the means of the next 90 days, which are built again with it.
with daily as (
    select
        killmail_date,
        region_id,
        type_id,
        destroyed_units,
        cast(sum(destroyed_units) over earlier as numeric) / {{ window }} as mean,
        sum(cast(destroyed_units as numeric) * destroyed_units) over earlier / {{ window }} as mean_of_squares
    from {{ ref('mart_war_economy') }}
    where {{ is_day_to_build('killmail_date', spread=window, back=window) }} and destroyed_units > 0
    window earlier as (
        partition by region_id, type_id
        order by killmail_date
        range between interval '{{ window }} days' preceding and interval '1 day' preceding
    )
),

demand as (
    select
        killmail_date,
        region_id,
        type_id,
        destroyed_units,
        cast(coalesce(mean, 0) as double precision) as mean_of_90_days,
        cast(
            (destroyed_units - mean) / nullif(sqrt(greatest(mean_of_squares - mean * mean, 0)), 0) as double precision
        ) as z_score
    from daily
    where {{ is_day_to_build('killmail_date', spread=window) }}
)

{{ with_names('demand', names) }}

{%- set names = {'region_name': ['region', 'region_id']} %}
{{ config(unique_key='killmail_date', meta={'spread': 89, 'names': names}, indexes=postgres_indexes([
    {'columns': ['region_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

-- A day is one of the 90 days of the next 89 days too, which are built again with it.
with rolling as (
    select
        killmail_date,
        region_id,
        kills,
        isk_destroyed,
        unpriced_kills
        {%- for days in [7, 30, 90] %},
        sum(kills) over last_{{ days }}_days / {{ days }} as mean_kills_{{ days }}_days,
        sum(isk_destroyed) over last_{{ days }}_days / {{ days }} as mean_isk_{{ days }}_days
        {%- endfor %}
    from {{ ref('mart_region_daily') }}
    where {{ is_day_to_build('killmail_date', spread=89, back=89) }}
    window
        {%- for days in [7, 30, 90] %}
        last_{{ days }}_days as (
            partition by region_id
            order by killmail_date
            range between interval '{{ days - 1 }} days' preceding and current row
        ){{ ',' if not loop.last }}
        {%- endfor %}
),

compared as (
    select
        killmail_date,
        region_id,
        kills,
        isk_destroyed,
        unpriced_kills
        {%- for days in [7, 30, 90] %},
        cast(mean_kills_{{ days }}_days as double precision) as mean_kills_{{ days }}_days,
        {{ isk('mean_isk_' ~ days ~ '_days') }} as mean_isk_destroyed_{{ days }}_days
        {%- endfor %},
        cast(mean_kills_7_days / nullif(mean_kills_90_days, 0) as double precision) as ratio_to_mean
    from rolling
    where {{ is_day_to_build('killmail_date', spread=89) }}
),

levels as (
    select
        *,
        case
            when ratio_to_mean >= 1.8 then 'war'
            when ratio_to_mean >= 1.4 then 'conflict'
            when ratio_to_mean >= 1.15 then 'elevated'
            else 'normal'
        end as activity_level
    from compared
)

{{ with_names('levels', names) }}

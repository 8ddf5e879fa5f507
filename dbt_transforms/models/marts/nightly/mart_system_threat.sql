{%- set names = {'system_name': ['system', 'system_id']} %}
{{ config(unique_key='killmail_date', meta={'spread': 89, 'names': names}, indexes=postgres_indexes([
    {'columns': ['system_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

-- A day is one of the 90 days of the next 89 days too, which are built again with it.
with rolling as (
    select
        killmail_date,
        system_id,
        pvp_kills,
        cast(sum(pvp_kills) over (
            partition by system_id
            order by killmail_date
            range between interval '6 days' preceding and current row
        ) as bigint) as pvp_kills_7_days,
        cast(sum(pvp_kills) over (
            partition by system_id
            order by killmail_date
            range between interval '89 days' preceding and current row
        ) as bigint) as pvp_kills_90_days
    from {{ ref('mart_system_daily') }}
    where {{ is_day_to_build('killmail_date', spread=89, back=89) }}
),

threat as (
    select
        *,
        case
            when pvp_kills_90_days >= {{ var('critical_kills') }} then 'critical'
            when pvp_kills_90_days >= {{ var('high_threat_kills') }} then 'high'
            when pvp_kills_90_days > 0 then 'low'
            else 'none'
        end as threat
    from rolling
    where {{ is_day_to_build('killmail_date', spread=89) }}
)

{{ with_names('threat', names) }}

{%- set names = {'entity_name': ['entity_kind', 'entity_id']} %}
{{ config(materialized='incremental', incremental_strategy='replace_all', meta={'names': names},
    indexes=postgres_indexes([
    {'columns': ['entity_kind', 'period', 'metric', 'rank'], 'unique': true},
])) }}

{%- set places = 100 %}
{%- set metrics = [
    'kills', 'losses', 'isk_destroyed', 'isk_lost', 'solo_kills_zkb', 'points_destroyed', 'final_blows',
] %}
{%- set unpriced = {'isk_destroyed': 'unpriced_kills', 'isk_lost': 'unpriced_losses'} %}
{%- set summed_metrics = metrics + unpriced.values() | list %}

with periods as (
    select
        build.as_of,
        periods.period,
        periods.first_date
    from {{ ref('int_build') }} as build
    cross join lateral (
        values
        ('today', build.as_of),
        ('week', cast(date_trunc('week', build.as_of) as date)),
        ('month', {{ month_of('build.as_of') }}),
        ('7 days', build.as_of - 6),
        ('90 days', build.as_of - 89)
    ) as periods (period, first_date)
),

summed as (
    {% for kind in entity_kinds() %}
    select
        periods.as_of,
        periods.period,
        '{{ kind }}' as entity_kind,
        daily.{{ kind }}_id as entity_id,
        {% for metric in summed_metrics -%}
        cast(sum(daily.{{ metric }}) as numeric(24, 2)) as {{ metric }}{{ ',' if not loop.last }}
        {% endfor %}
    from periods
    inner join {{ ref('mart_' ~ kind ~ '_daily') }} as daily
        on daily.killmail_date between periods.first_date and periods.as_of
    group by 1, 2, 4

    union all

    select
        build.as_of,
        'all' as period,
        '{{ kind }}' as entity_kind,
        all_time.{{ kind }}_id as entity_id,
        {% for metric in summed_metrics -%}
        cast(all_time.{{ metric }} - coalesce(later.{{ metric }}, 0) as numeric(24, 2)) as {{ metric }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ ref('mart_' ~ kind ~ '_all_time') }} as all_time
    cross join {{ ref('int_build') }} as build
    left join (
        select
            daily.{{ kind }}_id,
            {% for metric in summed_metrics -%}
            sum(daily.{{ metric }}) as {{ metric }}{{ ',' if not loop.last }}
            {% endfor %}
        from {{ ref('mart_' ~ kind ~ '_daily') }} as daily
        inner join {{ ref('int_build') }} as today on daily.killmail_date > today.as_of
        group by 1
    ) as later on all_time.{{ kind }}_id = later.{{ kind }}_id
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

{% for metric in metrics %}
best_{{ metric }} as (
    select
        as_of,
        period,
        entity_kind,
        '{{ metric }}' as metric,
        entity_id,
        {{ metric }} as value,
        cast({{ unpriced.get(metric, 'null') }} as bigint) as unpriced_killmails,
        row_number() over (partition by period, entity_kind order by {{ metric }} desc, entity_id) as rank
    from summed
    where {{ metric }} > 0
),
{% endfor %}

ranked as (
    {% for metric in metrics %}
    select * from best_{{ metric }}
    where rank <= {{ places }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

{{ with_names('ranked', names) }}

{%- set spans = [7, 30, 90] %}
{%- set names = {'entity_name': ['entity_kind', 'entity_id']} %}
{{ config(unique_key='killmail_date', meta={'spread': 89, 'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'killmail_date'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

-- A day is one of the 90 days of the next 89 days too, which are built again with it.
with seen as (
    select
        killmail_date,
        entity_kind,
        entity_id,
        lead(killmail_date) over (
            partition by entity_kind, entity_id, character_id order by killmail_date
        ) as next_date
    from {{ ref('int_active_pilots') }}
    where {{ is_day_to_build('killmail_date', spread=89, back=89) }}
),

-- A pilot is one more from a day on which they are seen, until they are seen again or the span has passed.
changes as (
    select
        killmail_date,
        entity_kind,
        entity_id
        {%- for days in spans %},
        count(*) as change_{{ days }}
        {%- endfor %}
    from seen
    group by killmail_date, entity_kind, entity_id
    {%- for days in spans %}

    union all

    select
        least(killmail_date + {{ days }}, next_date) as killmail_date,
        entity_kind,
        entity_id
        {%- for other in spans %},
        {{ '-count(*)' if other == days else '0' }} as change_{{ other }}
        {%- endfor %}
    from seen
    group by least(killmail_date + {{ days }}, next_date), entity_kind, entity_id
    {%- endfor %}
),

by_day as (
    select
        killmail_date,
        entity_kind,
        entity_id
        {%- for days in spans %},
        sum(change_{{ days }}) as change_{{ days }}
        {%- endfor %}
    from changes
    group by killmail_date, entity_kind, entity_id
),

rolling as (
    select
        killmail_date,
        entity_kind,
        entity_id
        {%- for days in spans %},
        cast(sum(change_{{ days }}) over until_then as bigint) as active_pilots_{{ days }}_days
        {%- endfor %}
    from by_day
    window until_then as (partition by entity_kind, entity_id order by killmail_date)
),

of_the_day as (
    select
        killmail_date,
        entity_kind,
        entity_id,
        count(*) as active_pilots
    from {{ ref('int_active_pilots') }}
    where {{ is_day_to_build('killmail_date', spread=89) }}
    group by killmail_date, entity_kind, entity_id
),

active as (
    select
        of_the_day.killmail_date,
        of_the_day.entity_kind,
        of_the_day.entity_id,
        of_the_day.active_pilots
        {%- for days in spans %},
        rolling.active_pilots_{{ days }}_days
        {%- endfor %}
    from of_the_day
    inner join rolling
        on
            of_the_day.killmail_date = rolling.killmail_date
            and of_the_day.entity_kind = rolling.entity_kind
            and of_the_day.entity_id = rolling.entity_id
)

{{ with_names('active', names) }}

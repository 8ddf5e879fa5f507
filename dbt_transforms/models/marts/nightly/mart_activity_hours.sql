{%- set names = {'entity_name': ['entity_kind', 'entity_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'month', 'weekday', 'hour'], 'unique': true}, {'columns': ['month']},
])) }}

with sides as ({{ involvements(player_kinds() + ['region']) }}),

by_hour as (
    select
        {{ month_of('killmails.killmail_date') }} as month,
        sides.entity_kind,
        sides.entity_id,
        {{ utc_weekday('killmails.killmail_time') }} as weekday,
        {{ utc_hour('killmails.killmail_time') }} as hour,
        count(*) filter (where sides.is_kill) as kills,
        count(*) filter (where not sides.is_kill) as losses
    from sides
    inner join {{ ref('int_killmails') }} as killmails on sides.killmail_id = killmails.killmail_id
    group by 1, 2, 3, 4, 5
)

{{ with_names('by_hour', names) }}

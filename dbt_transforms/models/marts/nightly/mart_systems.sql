{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'solar_system_name': ['system', 'solar_system_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'month', 'solar_system_id'], 'unique': true}, {'columns': ['month']},
])) }}

with sides as ({{ involvements(player_kinds()) }}),

by_system as (
    select
        {{ month_of('killmails.killmail_date') }} as month,
        sides.entity_kind,
        sides.entity_id,
        killmails.solar_system_id,
        count(*) filter (where sides.is_kill) as kills,
        count(*) filter (where not sides.is_kill) as losses,
        {{ isk('coalesce(sum(killmails.total_value) filter (where sides.is_kill), 0)') }} as isk_destroyed,
        {{ isk('coalesce(sum(killmails.total_value) filter (where not sides.is_kill), 0)') }} as isk_lost,
        count(*) filter (where sides.is_kill and not killmails.is_hull_priced) as unpriced_kills,
        count(*) filter (where not sides.is_kill and not killmails.is_hull_priced) as unpriced_losses
    from sides
    inner join {{ ref('int_killmails') }} as killmails on sides.killmail_id = killmails.killmail_id
    group by 1, 2, 3, 4
)

{{ with_names('by_system', names) }}

{{ config(tags=['nightly'], meta={'dagster': {'ref': {'name': 'mart_character_all_time'}}}) }}

{#- Daily, monthly and all-time marts have equal sums, once no day is left to the next builds. -#}
with sums as (
    {% for kind in entity_kinds() %}
    {% for grain in ['daily', 'monthly', 'all_time'] %}
    select
        '{{ kind }}' as entity_kind,
        '{{ grain }}' as grain,
        sum(kills) as kills,
        sum(losses) as losses,
        sum(isk_destroyed) as isk_destroyed,
        sum(isk_lost) as isk_lost,
        sum(points_destroyed) as points_destroyed,
        sum(damage_done) as damage_done,
        sum(attackers_on_kills) as attackers_on_kills
    from {{ ref('mart_' ~ kind ~ '_' ~ grain) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    entity_kind,
    count(*) as different_sums
from (
    select distinct
        entity_kind,
        kills,
        losses,
        isk_destroyed,
        isk_lost,
        points_destroyed,
        damage_done,
        attackers_on_kills
    from sums
    where
        not exists (
            select 1 from {{ ref('int_days_to_build') }} as days
            where not days.is_now
        )
) as distinct_sums
group by entity_kind
having count(*) > 1

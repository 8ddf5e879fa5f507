{{ config(indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'month', 'ship_type_id'], 'unique': true}, {'columns': ['month']},
])) }}

with losses as (
    {% for kind in player_kinds() %}
    select
        killmail_date,
        '{{ kind }}' as entity_kind,
        victim_{{ kind }}_id as entity_id,
        victim_ship_type_id as ship_type_id,
        total_value,
        is_hull_priced
    from {{ ref('int_killmails') }}
    where {{ is_to_build('killmail_time', months=true) }} and victim_{{ kind }}_id is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    {{ month_of('killmail_date') }} as month,
    entity_kind,
    entity_id,
    ship_type_id,
    count(*) as losses,
    {{ isk('sum(total_value)') }} as isk_lost,
    count(*) filter (where not is_hull_priced) as unpriced_losses
from losses
group by 1, 2, 3, 4

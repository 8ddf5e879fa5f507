{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(unique_key='killmail_date', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'killmail_date', 'ship_type_id'], 'unique': true},
    {'columns': ['killmail_date']},
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
    where {{ is_to_build('killmail_time') }} and victim_{{ kind }}_id is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

by_ship as (
    select
        killmail_date,
        entity_kind,
        entity_id,
        ship_type_id,
        count(*) as losses,
        {{ isk('sum(total_value)') }} as isk_lost,
        count(*) filter (where not is_hull_priced) as unpriced_losses
    from losses
    group by 1, 2, 3, 4
)

{{ with_names('by_ship', names) }}

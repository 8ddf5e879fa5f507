{%- set names = {
    'character_name': ['character', 'character_id'],
    'ship_type_name': ['ship_type', 'ship_type_id'],
    'ship_group_name': ['ship_group', 'ship_group_id'],
} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['battle_id', 'character_id', 'hull_number'], 'unique': true}, {'columns': ['killmail_date']},
    {'columns': ['battle_id', 'side', 'ship_group_id']},
])) }}

with hulls as (
    select
        hulls.killmail_date,
        hulls.battle_id,
        hulls.character_id,
        hulls.hull_number,
        hulls.side,
        hulls.ship_type_id,
        hulls.ship_group_id,
        hulls.first_seen_at,
        hulls.last_seen_at,
        hulls.lost_killmail_id,
        losses.total_value,
        losses.is_hull_priced
    from {{ ref('int_battle_hulls') }} as hulls
    left join {{ ref('int_battle_losses') }} as losses on hulls.lost_killmail_id = losses.killmail_id
    where {{ is_day_to_build('hulls.killmail_date') }}
)

{{ with_names('hulls', names) }}

{%- set names = {
    'entity_name': ['entity_kind', 'entity_id'],
    'ship_type_name': ['ship_type', 'ship_type_id'],
    'weapon_type_name': ['ship_type', 'weapon_type_id'],
} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'month', 'ship_type_id', 'weapon_type_id'], 'unique': true},
    {'columns': ['month']}, {'columns': ['weapon_type_id']},
])) }}

with by_weapon as (
    {% for kind in player_kinds() %}
    select
        {{ month_of('killmails.killmail_date') }} as month,
        '{{ kind }}' as entity_kind,
        attackers.{{ kind }}_id as entity_id,
        attackers.ship_type_id,
        attackers.weapon_type_id,
        count(distinct attackers.killmail_id) as kills,
        count(*) as attacks,
        count(*) filter (where attackers.final_blow) as final_blows,
        cast(sum(attackers.damage_done) as bigint) as damage_done,
        count(*) filter (where attackers.damage_done = 0) as attacks_without_damage
    from {{ ref('stg_killmail_attackers') }} as attackers
    inner join {{ ref('int_killmails') }} as killmails on attackers.killmail_id = killmails.killmail_id
    where
        {{ is_to_build('attackers.killmail_time', months=true) }}
        and {{ has_player_entity(kind, 'attackers.' ~ kind ~ '_id') }}
        and attackers.ship_type_id is not null
        and attackers.weapon_type_id is not null
    group by 1, 2, 3, 4, 5
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

{{ with_names('by_weapon', names) }}

{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(unique_key='killmail_date', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'killmail_date', 'ship_type_id'], 'unique': true},
    {'columns': ['killmail_date']},
])) }}

with flown as (
    {% for kind in player_kinds() %}
    select
        attackers.killmail_id,
        '{{ kind }}' as entity_kind,
        attackers.{{ kind }}_id as entity_id,
        attackers.ship_type_id,
        count(*) as pilots,
        sum(attackers.damage_done) as damage_done,
        bool_or(attackers.final_blow) as has_final_blow
    from {{ ref('stg_killmail_attackers') }} as attackers
    where
        {{ is_to_build('attackers.killmail_time') }}
        and attackers.{{ kind }}_id is not null
        and attackers.ship_type_id is not null
    group by attackers.killmail_id, attackers.{{ kind }}_id, attackers.ship_type_id
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

by_ship as (
    select
        killmails.killmail_date,
        flown.entity_kind,
        flown.entity_id,
        flown.ship_type_id,
        count(*) as kills,
        cast(sum(flown.pilots) as bigint) as pilots,
        count(*) filter (where flown.has_final_blow) as final_blows,
        cast(sum(flown.damage_done) as bigint) as damage_done
    from flown
    inner join {{ ref('int_killmails') }} as killmails on flown.killmail_id = killmails.killmail_id
    group by 1, 2, 3, 4
)

{{ with_names('by_ship', names) }}

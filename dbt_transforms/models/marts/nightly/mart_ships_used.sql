{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'month', 'ship_type_id'], 'unique': true}, {'columns': ['month']},
])) }}

with by_ship as (
    select
        {{ month_of('killmail_date') }} as month,
        entity_kind,
        entity_id,
        ship_type_id,
        cast(sum(kills) as bigint) as kills,
        cast(sum(pilots) as bigint) as pilots,
        cast(sum(final_blows) as bigint) as final_blows,
        cast(sum(damage_done) as bigint) as damage_done
    from {{ ref('mart_ships_used_daily') }}
    where {{ is_day_to_build('killmail_date', months=true) }}
    group by 1, 2, 3, 4
)

{{ with_names('by_ship', names) }}

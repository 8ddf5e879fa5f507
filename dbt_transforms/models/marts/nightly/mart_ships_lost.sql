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
        cast(sum(losses) as bigint) as losses,
        {{ isk('sum(isk_lost)') }} as isk_lost,
        cast(sum(unpriced_losses) as bigint) as unpriced_losses
    from {{ ref('mart_ships_lost_daily') }}
    where {{ is_day_to_build('killmail_date', months=true) }}
    group by 1, 2, 3, 4
)

{{ with_names('by_ship', names) }}

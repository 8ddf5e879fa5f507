{%- do ref('int_build') -%}
{{ config(incremental_strategy='replace_all', indexes=postgres_indexes([{'columns': ['type_id'], 'unique': true}])) }}

{#- The market groups below these contain capital and supercapital ships (zKillboard). -#}
{%- set capital_market_groups = [1381, 2288] %}

{%- set ids = eve_ids() %}

with recursive capital_groups as (
    select market_group_id
    from {{ ref('stg_market_groups') }}
    where market_group_id in ({{ capital_market_groups | join(', ') }})

    union

    select market_groups.market_group_id
    from {{ ref('stg_market_groups') }} as market_groups
    inner join capital_groups on market_groups.parent_group_id = capital_groups.market_group_id
)

select
    item_types.type_id,
    item_types.group_id,
    item_groups.category_id,
    item_types.meta_level,
    item_types.rig_size,
    item_types.heat_damage,
    -- ESI gives no meta group: until the static data has a type, its name says it.
    coalesce(item_types.meta_group_id = 15, false) or (
        item_types.meta_group_id is null
        and coalesce(item_groups.category_id in ({{ ids.module }}, {{ ids.drone }}), false)
        and coalesce(item_types.type_name ~ '\m(Abyssal|Mutated)\M', false)
    ) as is_mutated,
    coalesce(
        item_types.market_group_id in (select capital_groups.market_group_id from capital_groups), false
    ) as is_capital
from {{ ref('stg_types') }} as item_types
left join {{ ref('stg_groups') }} as item_groups on item_types.group_id = item_groups.group_id

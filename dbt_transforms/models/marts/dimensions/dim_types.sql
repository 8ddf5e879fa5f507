{{ config(post_hook="{{ searchable_by('type_name') }}", unique_key='type_id', indexes=postgres_indexes([
    {'columns': ['type_id'], 'unique': true},
])) }}

select
    item_types.type_id,
    item_types.type_name,
    item_types.group_id,
    item_groups.group_name,
    item_groups.category_id,
    categories.category_name,
    item_types.market_group_id,
    market_groups.market_group_name,
    item_types.meta_group_id,
    meta_groups.meta_group_name,
    item_types.is_published,
    item_types.volume,
    item_types.mass,
    item_types.meta_level,
    item_types.tech_level,
    coalesce(definitions.is_capital, false) as is_capital,
    item_types.has_body
from {{ ref('stg_types') }} as item_types
left join {{ ref('int_types') }} as definitions on item_types.type_id = definitions.type_id
left join {{ ref('stg_groups') }} as item_groups on item_types.group_id = item_groups.group_id
left join {{ ref('stg_categories') }} as categories on item_groups.category_id = categories.category_id
left join {{ ref('stg_market_groups') }} as market_groups
    on item_types.market_group_id = market_groups.market_group_id
left join {{ ref('stg_meta_groups') }} as meta_groups on item_types.meta_group_id = meta_groups.meta_group_id
{{ that_changed() }}

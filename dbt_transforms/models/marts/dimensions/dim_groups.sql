{{ config(unique_key='group_id', indexes=postgres_indexes([
    {'columns': ['group_id'], 'unique': true},
])) }}

select
    item_groups.group_id,
    item_groups.group_name,
    item_groups.category_id,
    categories.category_name,
    item_groups.is_published
from {{ ref('stg_groups') }} as item_groups
left join {{ ref('stg_categories') }} as categories on item_groups.category_id = categories.category_id
{{ that_changed() }}

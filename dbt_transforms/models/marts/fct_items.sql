select
    items.killmail_id,
    items.item_index,
    items.parent_index,
    items.killmail_time,
    {{ of_the_killmail() }},
    items.item_type_id,
    {{ looked_up_name('ship_type', 'items.item_type_id') }} as item_name,
    item_types.group_id as item_group_id,
    {{ looked_up_name('ship_group', 'item_types.group_id') }} as item_group_name,
    item_types.category_id as item_category_id,
    {{ looked_up('category_name', 'stg_categories', 'category_id', 'item_types.category_id') }} as item_category_name,
    items.flag,
    case when items.parent_index is null then {{ slot('items.flag') }} else 'contained' end as slot,
    {{ is_fitted_zkb('items.flag', 'items.parent_index') }} as is_fitted,
    coalesce(item_types.category_id = {{ eve_ids().charge }}, false) as is_charge,
    items.singleton = 2 as is_blueprint_copy,
    coalesce(item_types.is_mutated, false) as is_mutated,
    coalesce(items.quantity_destroyed, 0) as quantity_destroyed,
    coalesce(items.quantity_dropped, 0) as quantity_dropped
from {{ ref('stg_killmail_items') }} as items
inner join {{ ref('int_killmails') }} as killmails on items.killmail_id = killmails.killmail_id
left join {{ ref('int_types') }} as item_types on items.item_type_id = item_types.type_id

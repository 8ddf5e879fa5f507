{#- Fits: what was fitted to a lost ship. As EVE-KILL's: modules by rack, without charges and drones. -#}

{#- Rows of the fitted modules of the ships that were lost on the days to build: killmail, rack, module and its base
    variant, units. Before May 2012 killmails do not tell slots, and such ships have no fit. -#}
{% macro fitted_modules() -%}
    select
        items.killmail_id,
        items.killmail_date,
        killmails.victim_ship_type_id as ship_type_id,
        {{ slot('items.flag') }} as rack,
        items.item_type_id as module_type_id,
        coalesce(module_types.variation_parent_type_id, items.item_type_id) as base_type_id,
        sum(coalesce(items.quantity_destroyed, 0) + coalesce(items.quantity_dropped, 0)) as units
    from {{ ref('stg_killmail_items') }} as items
    inner join {{ ref('int_killmails') }} as killmails on items.killmail_id = killmails.killmail_id
    inner join {{ ref('int_types') }} as hulls on killmails.victim_ship_type_id = hulls.type_id
    left join {{ ref('int_types') }} as classes on items.item_type_id = classes.type_id
    left join {{ ref('stg_types') }} as module_types on items.item_type_id = module_types.type_id
    where
        {{ is_to_build('items.killmail_time') }}
        and items.parent_index is null
        and {{ slot('items.flag') }} in ('high', 'mid', 'low', 'rig', 'subsystem')
        and classes.category_id is distinct from {{ eve_ids().charge }}
        and hulls.category_id = {{ eve_ids().ship }}
    group by 1, 2, 3, 4, 5, 6
{%- endmacro %}

{#- The id of a fit: the same hull with the same modules in the same racks, in whatever order. -#}
{% macro fit_id(hull, modules) -%}
    md5(concat({{ hull }}, ':', {{ modules }}))
{%- endmacro %}

{#- Names that were resolved in bulk: one row per entity of the kind that has no body yet. -#}
{% macro names_without_body(kind, bodies) -%}
    {{ source('raw', 'entity_names') }} as bulk_names
    where
        bulk_names.entity_kind = '{{ kind }}'
        and bulk_names.name is not null
        and not exists (
            select 1 from {{ source('raw', bodies) }} as known
            where known.{{ kind }}_id = bulk_names.entity_id
        )
{%- endmacro %}

{#- The name in the body, or the one resolved in bulk while the body has none. -#}
{% macro name_of(kind) -%}
    coalesce(bodies.name, (
        select bulk_names.name from {{ source('raw', 'entity_names') }} as bulk_names
        where bulk_names.entity_kind = '{{ kind }}' and bulk_names.entity_id = bodies.{{ kind }}_id
    ))
{%- endmacro %}

{#- A column of another model's row with this key, looked up at query time: names arrive after the killmail. -#}
{% macro looked_up(column, model, key, id) -%}
    (select named.{{ column }} from {{ ref(model) }} as named where named.{{ key }} = {{ id }})
{%- endmacro %}

{#- The name of an entity whose kind is in a column, looked up at query time. -#}
{% macro entity_name(kind, id) -%}
    case {{ kind }}
    {%- for name, model, key, column in [
        ('character', 'stg_characters', 'character_id', 'character_name'),
        ('corporation', 'stg_corporations', 'corporation_id', 'corporation_name'),
        ('alliance', 'stg_alliances', 'alliance_id', 'alliance_name'),
        ('faction', 'stg_factions', 'faction_id', 'faction_name'),
        ('ship_type', 'stg_types', 'type_id', 'type_name'),
        ('ship_group', 'stg_groups', 'group_id', 'group_name'),
        ('system', 'stg_systems', 'system_id', 'system_name'),
        ('constellation', 'stg_constellations', 'constellation_id', 'constellation_name'),
        ('region', 'stg_regions', 'region_id', 'region_name'),
    ] %}
        when '{{ name }}' then {{ looked_up(column, model, key, id) }}
    {%- endfor %}
    end
{%- endmacro %}

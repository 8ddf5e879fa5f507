{# Names that came in bulk, before the bodies: one row an entity of the kind. #}
{% macro bulk_names(kind) -%}
    (select entity_id, name from {{ source('raw', 'entity_names') }} where entity_kind = '{{ kind }}' and name is not null)
{%- endmacro %}

{{ config(
    incremental_strategy='delete+insert', unique_key=['entity_kind', 'entity_id'], post_hook="{{ analyze_this() }}",
    indexes=postgres_indexes([{'columns': ['entity_kind', 'entity_id'], 'unique': true}])
) }}

with current_names as (
    {% for kind, (model, key, column) in name_columns().items() %}
    select
        '{{ kind }}' as entity_kind,
        {{ key }} as entity_id,
        {{ column }} as entity_name
    from {{ ref(model) }}
    where {{ column }} is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    current_names.entity_kind,
    current_names.entity_id,
    current_names.entity_name,
    {{ this_transaction() }} as named_in
from current_names
{% if is_incremental() -%}
left join {{ this }} as known
    on current_names.entity_kind = known.entity_kind and current_names.entity_id = known.entity_id
where current_names.entity_name is distinct from known.entity_name
{%- endif %}

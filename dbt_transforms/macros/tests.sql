{#- Generic tests by the names of dbt_utils, and what a test looks at: after an increment only the days that changed. -#}

{#- Fails for every combination of the columns that occurs more than once. -#}
{% test unique_combination_of_columns(model, combination_of_columns) %}
    select {{ combination_of_columns | join(', ') }}
    from {{ model }}
    group by {{ combination_of_columns | join(', ') }}
    having count(*) > 1
{% endtest %}

{#- Fails for every row in which one of the columns is absent: not_null for several columns, read once. -#}
{% test not_null_columns(model, columns) %}
    select *
    from {{ model }}
    where {{ columns | join(' is null or ') }} is null
{% endtest %}

{#- Fails for every row in which one of the columns is below the minimum: accepted_range for several columns, read once. -#}
{% test accepted_range(model, columns, min_value=0) %}
    select *
    from {{ model }}
    where {{ columns | join(' < ' ~ min_value ~ ' or ') }} < {{ min_value }}
{% endtest %}

{#- Fails for every row for which the expression is not true. -#}
{% test expression_is_true(model, expression) %}
    select *
    from {{ model }}
    where not ({{ expression }})
{% endtest %}

{#- What a test of a model with days reads: everything, or with `tests: changed` only the days of this build. Tests of what
    has no day are tagged nightly. -#}
{% macro get_where_subquery(relation) -%}
    {%- set node = graph.nodes.get(model.attached_node) if execute and model.attached_node else none -%}
    {{ tested(relation, node) }}
{%- endmacro %}

{% macro tested(relation, node=none) -%}
    {%- set by_day = node is none or 'killmail_date' in node.columns -%}
    {%- if var('tests') == 'changed' and by_day -%}
        (select * from {{ relation }} where {{ in_changed_days('killmail_date') }}) as tested
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

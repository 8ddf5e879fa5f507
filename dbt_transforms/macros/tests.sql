{#- Generic tests, named as in dbt_utils, and the rows that tests read: only changed days after a frequent build. -#}

{#- Fails for every combination of the columns that occurs more than once. -#}
{% test unique_combination_of_columns(model, combination_of_columns) %}
    select {{ combination_of_columns | join(', ') }}
    from {{ model }}
    group by {{ combination_of_columns | join(', ') }}
    having count(*) > 1
{% endtest %}

{#- Fails for every row in which one of the columns is null: not_null in one scan. -#}
{% test not_null_columns(model, columns) %}
    select *
    from {{ model }}
    where {{ columns | join(' is null or ') }} is null
{% endtest %}

{#- Fails for every row in which one of the columns is below the minimum: accepted_range in one scan. -#}
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

{#- The rows that a test reads of a model with days: all, or with `tests: changed` only the days of this build. Tests of
    models without days are tagged nightly. The models that list the days of a build are read whole: at first there is
    nothing else to say which days these are. -#}
{% macro get_where_subquery(relation) -%}
    {%- set node = graph.nodes.get(model.attached_node) if execute and model.attached_node else none -%}
    {{ tested(relation, node) }}
{%- endmacro %}

{% macro tested(relation, node=none) -%}
    {%- set by_day = node is none or (
        'killmail_date' in node.columns and node.name not in ('int_days_to_build', 'int_changed_days')
    ) -%}
    {%- if var('tests') == 'changed' and by_day -%}
        (select * from {{ relation }} where {{ in_changed_days('killmail_date') }}) as tested
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

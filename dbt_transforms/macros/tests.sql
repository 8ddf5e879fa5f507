{#- Tests of our own, and what a test looks at: after an increment only the days that changed. -#}

{#- Fails for every combination of the columns that occurs more than once. -#}
{% test unique_combination(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}

{#- Fails for every row in which one of the columns is absent. -#}
{% test none_absent(model, columns) %}
    select *
    from {{ model }}
    where {{ columns | join(' is null or ') }} is null
{% endtest %}

{#- Fails for every row in which one of the columns is below zero. -#}
{% test none_negative(model, columns) %}
    select *
    from {{ model }}
    where {{ columns | join(' < 0 or ') }} < 0
{% endtest %}

{#- Fails for every row for which the condition does not hold. -#}
{% test holds(model, condition) %}
    select *
    from {{ model }}
    where not ({{ condition }})
{% endtest %}

{#- What a test of a model with days reads: everything, or with `tests: changed` only the days of this build. Tests of what
    cannot be told apart by day are tagged nightly. -#}
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

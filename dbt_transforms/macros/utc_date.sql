{#- The UTC day of a timestamp: the day that archives, marts and people in EVE mean. -#}
{% macro utc_date(timestamp) -%}
    cast({{ timestamp }} at time zone 'UTC' as date)
{%- endmacro %}

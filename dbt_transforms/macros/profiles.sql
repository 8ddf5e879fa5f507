{#- The last days before a build, which profiles of pilots and fleets are about. -#}

{#- Condition: a day is one of them; the query joins int_build as `build`. -#}
{% macro is_of_profiles(date_column) -%}
    ({{ date_column }} > build.as_of - {{ var('profile_days') }} and {{ date_column }} <= build.as_of)
{%- endmacro %}

{#- Condition: a time is not before them. By it PostgreSQL leaves out the partitions of earlier months. -#}
{% macro is_recent(time_column, variable='profile_days', further_days=0) -%}
    {{ time_column }} >= {{ utc_midnight_of(as_of() ~ ' - ' ~ (var(variable) | int + further_days)) }}
{%- endmacro %}

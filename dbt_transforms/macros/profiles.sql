{#- The last days before a build, which profiles of pilots and fleets are about. -#}

{#- Condition: a day is one of them; the query joins int_build as `build`. -#}
{% macro is_of_profiles(date_column) -%}
    ({{ date_column }} > build.as_of - {{ var('profile_days') }} and {{ date_column }} <= build.as_of)
{%- endmacro %}

{#- Condition: a time is not before them. By it PostgreSQL leaves out the partitions of earlier months. -#}
{% macro is_recent(time_column, variable='profile_days', further_days=0) -%}
    {{ time_column }} >= {{ utc_midnight_of(as_of() ~ ' - ' ~ (var(variable) | int + further_days)) }}
{%- endmacro %}

{#- Condition: a time is in a band of time zones, by its UTC hour: those of zKillboard's labels tz:au to tz:use. -#}
{% macro is_in_time_zone(band, time_column) -%}
    {%- set bands = {'au': (8, 13), 'ru': (14, 16), 'eu': (17, 21), 'usw': (4, 7)} -%}
    {%- if band in bands -%}
        {{ utc_hour(time_column) }} between {{ bands[band][0] }} and {{ bands[band][1] }}
    {%- else -%}
        {{ utc_hour(time_column) }} not between 4 and 21
    {%- endif -%}
{%- endmacro %}

{#- The bands, in the order of the columns that have their shares. -#}
{% macro time_zones() -%}
    {{ return(['au', 'ru', 'eu', 'usw', 'use']) }}
{%- endmacro %}

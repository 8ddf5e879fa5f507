{#- What PostgreSQL says in its own way; another engine needs its own version of these and of changed_days.sql. -#}

{#- The UTC day of a timestamp: the day that archives, marts and people in EVE mean. -#}
{% macro utc_date(timestamp) -%}
    cast(({{ timestamp }}) at time zone 'UTC' as date)
{%- endmacro %}

{#- The moment at which a UTC day begins. -#}
{% macro utc_midnight(day) -%}
    cast('{{ day }} 00:00:00+00' as timestamp with time zone)
{%- endmacro %}

{#- The first day of a date's month. -#}
{% macro month_of(date) -%}
    cast(date_trunc('month', {{ date }}) as date)
{%- endmacro %}

{#- The UTC hour of a timestamp, 0 to 23. -#}
{% macro utc_hour(timestamp) -%}
    cast(extract(hour from {{ timestamp }} at time zone 'UTC') as integer)
{%- endmacro %}

{#- The ISO weekday of a timestamp in UTC: 1 is Monday. -#}
{% macro utc_weekday(timestamp) -%}
    cast(extract(isodow from {{ timestamp }} at time zone 'UTC') as integer)
{%- endmacro %}

{#- The UTC day of a killmail's prices: zKillboard takes that of an hour before the kill. -#}
{% macro price_date(timestamp) -%}
    {%- if var('price_as_of') -%}
        cast('{{ var("price_as_of") }}' as date)
    {%- else -%}
        cast(({{ timestamp }} - interval '1 hour') at time zone 'UTC' as date)
    {%- endif -%}
{%- endmacro %}

{#- What counts as today. -#}
{% macro as_of() -%}
    {%- if var('as_of') -%}
        cast('{{ var("as_of") }}' as date)
    {%- else -%}
        {{ utc_date('now()') }}
    {%- endif -%}
{%- endmacro %}

{#- ISK with its cents, exact: sums do not depend on their order. -#}
{% macro isk(expression) -%}
    cast({{ expression }} as numeric(24, 2))
{%- endmacro %}

{#- An index that only PostgreSQL makes. -#}
{% macro postgres_indexes(indexes) -%}
    {{ return(indexes if target.type == 'postgres' else []) }}
{%- endmacro %}

{#- Whether a transaction had been committed when a snapshot was taken. -#}
{% macro is_seen(transaction_id, snapshot) -%}
    pg_visible_in_snapshot(cast(cast({{ transaction_id }} as text) as xid8), cast({{ snapshot }} as pg_snapshot))
{%- endmacro %}

{#- What is committed now, as text. -#}
{% macro current_snapshot() -%}
    cast(pg_current_snapshot() as text)
{%- endmacro %}

{#- SQL specific to PostgreSQL; another engine needs its own version of these macros and of changed_days.sql. -#}

{#- The UTC day of a timestamp, as used by archives, marts and EVE. -#}
{% macro utc_date(timestamp) -%}
    cast(({{ timestamp }}) at time zone 'UTC' as date)
{%- endmacro %}

{#- The start of a UTC day, as a timestamp. -#}
{% macro utc_midnight(day) -%}
    cast('{{ day }} 00:00:00+00' as timestamp with time zone)
{%- endmacro %}

{#- The first day of a date's month. -#}
{% macro month_of(date) -%}
    cast(date_trunc('month', {{ date }}) as date)
{%- endmacro %}

{#- The Monday of a date's week. -#}
{% macro week_of(date) -%}
    cast(date_trunc('week', {{ date }}) as date)
{%- endmacro %}

{#- The ISO weekday of a date: 1 is Monday. -#}
{% macro weekday_of(date) -%}
    cast(extract(isodow from {{ date }}) as integer)
{%- endmacro %}

{#- The start of a UTC day that is not known before the query runs, as a timestamp. -#}
{% macro utc_midnight_of(date) -%}
    (cast({{ date }} as timestamp) at time zone 'UTC')
{%- endmacro %}

{#- The UTC hour of a timestamp, 0 to 23. -#}
{% macro utc_hour(timestamp) -%}
    cast(extract(hour from {{ timestamp }} at time zone 'UTC') as integer)
{%- endmacro %}

{#- The ISO weekday of a timestamp in UTC: 1 is Monday. -#}
{% macro utc_weekday(timestamp) -%}
    cast(extract(isodow from {{ timestamp }} at time zone 'UTC') as integer)
{%- endmacro %}

{#- The UTC day of a killmail's prices: as on zKillboard, the day of 3,601 seconds before it. -#}
{% macro price_date(timestamp) -%}
    {%- if var('price_as_of') -%}
        cast('{{ var("price_as_of") }}' as date)
    {%- else -%}
        cast(({{ timestamp }} - interval '3601 seconds') at time zone 'UTC' as date)
    {%- endif -%}
{%- endmacro %}

{#- The day that counts as today. -#}
{% macro as_of() -%}
    {%- if var('as_of') -%}
        cast('{{ var("as_of") }}' as date)
    {%- else -%}
        {{ utc_date('now()') }}
    {%- endif -%}
{%- endmacro %}

{#- ISK with cents, exact: sums do not depend on the order of rows. -#}
{% macro isk(expression) -%}
    cast({{ expression }} as numeric(24, 2))
{%- endmacro %}

{#- Indexes on PostgreSQL; none on other engines. -#}
{% macro postgres_indexes(indexes) -%}
    {{ return(indexes if target.type == 'postgres' else []) }}
{%- endmacro %}

{#- The ids in any of these columns of a group's rows, each once and in order: an array, which an index can search. -#}
{% macro ids_of(columns) -%}
    {%- for column in columns -%}
    array_remove(array_agg(distinct {{ column }}), null){{ ' || ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The values of a row's columns that are not null, as an array. -#}
{% macro present(columns) -%}
    array_remove(array[{{ columns | join(', ') }}], null)
{%- endmacro %}

{#- An index for names that begin with something, in any case. -#}
{% macro searchable_by(column) -%}
    {%- if target.type == 'postgres' -%}
    create index if not exists {{ this.identifier }}_searched on {{ this }} (lower({{ column }}) text_pattern_ops)
    {%- endif -%}
{%- endmacro %}

{#- Condition: a transaction was committed when a snapshot was taken. -#}
{% macro is_seen(transaction_id, snapshot) -%}
    pg_visible_in_snapshot(cast(cast({{ transaction_id }} as text) as xid8), cast({{ snapshot }} as pg_snapshot))
{%- endmacro %}

{#- The id of the current transaction. -#}
{% macro this_transaction() -%}
    cast(cast(pg_current_xact_id() as text) as bigint)
{%- endmacro %}

{#- The current snapshot, as text. -#}
{% macro current_snapshot() -%}
    cast(pg_current_snapshot() as text)
{%- endmacro %}

{#- The months that have killmails, by their first day, and about how many, from the size of a partition: a row has
    some 230 bytes. -#}
{% macro stored_months() -%}
    (
        select
            to_date(right(partitions.relname, 7), 'YYYY_MM') as month,
            pg_relation_size(partitions.oid) / 230 as killmails
        from pg_catalog.pg_class as partitions
        where
            partitions.relnamespace = to_regnamespace('partitions')
            and partitions.relname like 'killmails\_____\___'
            and pg_relation_size(partitions.oid) > 0
    )
{%- endmacro %}

{#- Every day from one to another, as a table with one column. -#}
{% macro days_between(first, last) -%}
    (select cast(generate_series({{ first }}, {{ last }}, interval '1 day') as date) as killmail_date)
{%- endmacro %}

{#-
    Incremental builds of the changed days. A build first takes a snapshot (int_build) and lists the days that changed
    between the last build's snapshot and its own (int_changed_days); every model that sums by day deletes and inserts
    those days. When all models of a cadence succeed, the snapshot is stored as the last build's (end_build).
    A build takes the newest months that changed, up to `killmails_a_build` killmails, so that years of history do not
    make one build of hours; the days that it leaves are marked as changed again, in a transaction after its snapshot.
    The first build and a full refresh are builds of all days, in such pieces too; a model that is built alone, with
    --select or because it is new, is built over all days at once.
    Transaction ids decide what changed, not clocks. The ranges of days are literals in the statements, so that the
    planner reads only the partitions of these days.
-#}

{#- The model's cadence: frequent, or nightly for models with that tag (those by month). -#}
{% macro cadence() -%}
    {{ 'nightly' if 'nightly' in model.config.tags else 'frequent' }}
{%- endmacro %}

{#- A model's relation where ref is not possible: tests and hooks read only relations that are built already. -#}
{% macro relation_of(name) -%}
    {{ return(graph.nodes['model.killreport.' ~ name].relation_name) }}
{%- endmacro %}

{#- The days that this model builds, as [first, last] ranges of consecutive days; each changed day extends its range
    from `back` days before to `spread` days after it. -#}
{% macro changed_ranges(spread=0, back=0) -%}
    {%- set ranges = [] -%}
    {%- if execute -%}
        {%- set days = run_query(
            "select distinct killmail_date from " ~ relation_of('int_changed_days')
            ~ " where cadence = '" ~ cadence() ~ "' order by 1"
        ).columns[0].values() -%}
        {%- set one_day = modules.datetime.timedelta(days=1) -%}
        {%- for day in days -%}
            {%- set first = day - back * one_day -%}
            {%- set last = day + spread * one_day -%}
            {%- if ranges and first <= ranges[-1][1] + one_day -%}
                {%- do ranges[-1].append(last) -%}
                {%- do ranges[-1].pop(1) -%}
            {%- else -%}
                {%- do ranges.append([first, last]) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(ranges) }}
{%- endmacro %}

{#- Condition: a month is one of this build, after later ones with so many killmails. With prices of one day a build
    takes everything: the next ones are not given that day. -#}
{% macro fits_into_a_build(killmails_of_later_months) -%}
    {{ 'true' if var('price_as_of') else killmails_of_later_months ~ ' < ' ~ var('killmails_a_build') }}
{%- endmacro %}

{#- Whether a model is built for the days of this build only, and not for all: it has other days, or will get them. -#}
{% macro builds_days() -%}
    {%- if is_incremental() -%}
        {{ return(true) }}
    {%- elif not execute or 'model.killreport.int_days_to_build' not in selected_resources -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set rebuilt = run_query(
        "select 1 from " ~ relation_of('int_days_to_build') ~ " where cadence = '" ~ cadence() ~ "' and is_rebuild limit 1"
    ) -%}
    {{ return(rebuilt.rows | length > 0) }}
{%- endmacro %}

{#- How many changes of definitions there have been that a cadence is rebuilt for; nightly models read frequent ones. -#}
{% macro definitions(cadence, metric_changes) -%}
    (
        select count(*) from {{ metric_changes }} as changes
        where changes.rebuilds = 'frequent' or changes.rebuilds = {{ cadence }}
    )
{%- endmacro %}

{#- The first day of the marts, KILLREPORT_MARTS_FROM: killmails of earlier months are stored only. Empty: all. -#}
{% macro marts_from() -%}
    {%- set day = env_var('KILLREPORT_DBT_MARTS_FROM', '') if execute else '' -%}
    {{ return(day[:8] ~ '01' if day else '') }}
{%- endmacro %}

{#- Hook before a full refresh: until it has ended, no cadence counts as built. One that fails is a first build again. -#}
{% macro forget_builds() -%}
    {%- if execute and flags.FULL_REFRESH -%}
        delete from {{ source('ops', 'transform_builds') }} where cadence in ('frequent', 'nightly')
    {%- endif -%}
{%- endmacro %}

{#- The first day of the next month. -#}
{% macro next_month(day) -%}
    {{ return((day.replace(day=28) + modules.datetime.timedelta(days=4)).replace(day=1)) }}
{%- endmacro %}

{#- Condition: a UTC day is one of the days to build, or with `months` in the month of one. -#}
{% macro in_changed_days(date_column, spread=0, back=0, months=false) -%}
    {%- set ranges = changed_ranges(spread, back) -%}
    {%- set one_day = modules.datetime.timedelta(days=1) if execute -%}
    (false
    {%- for first, last in ranges %}
        {%- set since = first.replace(day=1) if months else first %}
        {%- set until = next_month(last) - one_day if months else last %}
        or {{ date_column }} between cast('{{ since }}' as date) and cast('{{ until }}' as date)
    {%- endfor %})
{%- endmacro %}

{#- The first days of the months that contain a day to build. -#}
{% macro changed_months() -%}
    {%- set months = [] -%}
    {%- for first, last in changed_ranges() -%}
        {%- for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month) -%}
            {%- do months.append(modules.datetime.date(month // 12, month % 12 + 1, 1)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(months | unique | list) }}
{%- endmacro %}

{#- Condition: a month, given by its first day, contains a day to build. -#}
{% macro in_changed_months(month_column) -%}
    (false
    {%- for month in changed_months() %}
        or {{ month_column }} = cast('{{ month }}' as date)
    {%- endfor %})
{%- endmacro %}

{#- Condition: a killmail time is on a changed day, or with `months` in its month; `hours` are added before and after. Uses time ranges, so that other partitions are not read. -#}
{% macro in_changed_times(time_column, months=false, hours=0) -%}
    (false
    {%- for first, last in changed_ranges() %}
        {%- set since = first.replace(day=1) if months else first %}
        {%- set until = next_month(last) if months else last + modules.datetime.timedelta(days=1) %}
        or (
            {{ time_column }} >= {{ utc_midnight(since) }}{{ " - interval '" ~ hours ~ " hours'" if hours }}
            and {{ time_column }} < {{ utc_midnight(until) }}{{ " + interval '" ~ hours ~ " hours'" if hours }}
        )
    {%- endfor %})
{%- endmacro %}

{#- Condition: killmails of this time are built: those of the build's days, or all that the marts are about. -#}
{% macro is_to_build(time_column, months=false, hours=0) -%}
    {%- do ref('int_changed_days') -%}
    {%- if builds_days() -%}
        {{ in_changed_times(time_column, months, hours) }}
    {%- elif marts_from() -%}
        {{ time_column }} >= {{ utc_midnight(marts_from()) }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- The same condition for a day. -#}
{% macro is_day_to_build(date_column, spread=0, back=0, months=false) -%}
    {%- do ref('int_changed_days') -%}
    {%- if builds_days() -%}
        {{ in_changed_days(date_column, spread, back, months) }}
    {%- elif marts_from() -%}
        {{ date_column }} >= cast('{{ marts_from() }}' as date)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- Incremental strategy of models by day (unique_key killmail_date) and by month (unique_key month). -#}
{% macro get_incremental_changed_days_sql(arguments) %}
    {%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arguments['target_relation'] }}
    where
        {% if arguments['unique_key'] == 'month' -%}
            {{ in_changed_months('month') }}
        {%- else -%}
            {{ in_changed_days('killmail_date', config.get('meta', {}).get('spread', 0)) }}
        {%- endif %};
    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }};
{% endmacro %}

{#- Analyze the partitions of changed months: the planner estimates no rows for days that its statistics do not contain.
    Skipped for more than 24 months, where existing statistics are good enough. -#}
{% macro analyze_changed_months() -%}
    {%- if execute and target.type == 'postgres' -%}
        {%- set months = changed_months() -%}
        {%- for month in months if months | length <= 24 -%}
            {%- for table in ['killmails', 'killmail_attackers', 'killmail_items'] -%}
                {%- set partition = adapter.get_relation(target.database, 'partitions', table ~ month.strftime('_%Y_%m')) -%}
                {%- if partition -%}
                    analyze {{ partition }};
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- Analyze a model that others join. -#}
{% macro analyze_this() -%}
    {{ 'analyze ' ~ this if target.type == 'postgres' }}
{%- endmacro %}

{#- Appended to a dimension: only the rows that differ from those that are stored. -#}
{% macro that_changed() -%}
    {%- if is_incremental() %}
    except
    select * from {{ this }}
    {%- endif -%}
{%- endmacro %}

{#- Incremental strategy of small models: replaces all rows but keeps the table, and with it the objects that depend on
    it. -#}
{% macro get_incremental_replace_all_sql(arguments) %}
    {%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arguments['target_relation'] }};
    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }};
{% endmacro %}

{#- Store the build's snapshot for each cadence of which every model succeeded, if nothing failed. -#}
{% macro end_build(results) %}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- do say_what_is_left(results) -%}
        {%- set changes_of_metrics = graph.nodes['seed.killreport.mart_metric_changes'].relation_name -%}
        {%- set failed = results | selectattr('status', 'in', ['error', 'fail', 'runtime error', 'skipped', 'partial success'])
            | list -%}
        {%- set built = results | selectattr('status', 'equalto', 'success') | map(attribute='node')
            | map(attribute='unique_id') | list -%}
        {%- for cadence in ['frequent', 'nightly'] if not failed -%}
            {%- set missing = [] -%}
            {%- for node in graph.nodes.values() if node.resource_type == 'model'
                and node.config.materialized in ['incremental', 'table']
                and ('nightly' in node.config.tags) == (cadence == 'nightly') and node.unique_id not in built -%}
                {%- do missing.append(node.unique_id) -%}
            {%- endfor -%}
            {%- if not missing -%}
                insert into {{ source('ops', 'changed_days') }} as known (killmail_date, changed_in, earliest, latest)
                select killmail_date, {{ this_transaction() }}, earliest, latest
                from {{ relation_of('int_days_to_build') }} where not is_now and cadence = '{{ cadence }}'
                on conflict (killmail_date, changed_in) do update
                set earliest = least(known.earliest, excluded.earliest), latest = greatest(known.latest, excluded.latest);
                insert into {{ source('ops', 'transform_builds') }} as known (cadence, snapshot, as_of, definitions, built_at)
                select '{{ cadence }}', snapshot, as_of, {{ definitions("'" ~ cadence ~ "'", changes_of_metrics) }}, now()
                from {{ relation_of('int_build') }}
                where invocation_id = '{{ invocation_id }}'
                on conflict (cadence) do update
                set snapshot = excluded.snapshot, as_of = excluded.as_of, definitions = excluded.definitions,
                    built_at = excluded.built_at;
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#- Say how many days a build leaves to the next one. -#}
{% macro say_what_is_left(results) -%}
    {%- set built = results | selectattr('status', 'equalto', 'success') | map(attribute='node') | map(attribute='name') -%}
    {%- if 'int_days_to_build' in built | list -%}
        {%- set left = run_query(
            "select count(distinct killmail_date), max(killmail_date) from " ~ relation_of('int_days_to_build')
            ~ " where not is_now"
        ).rows[0] -%}
        {%- if left[0] -%}
            {%- do log(left[0] ~ " days until " ~ left[1] ~ " are left to the next builds", info=true) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

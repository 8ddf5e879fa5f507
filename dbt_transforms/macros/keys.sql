{#-
    Primary and foreign keys of marts, declared as constraints in their contracts: dbt's documentation has them of every
    mart, PostgreSQL of those that are tables. They are added at the end of a build and not when a table is created:
    the primary key takes over the unique index that was built after the rows, and replacing a dimension drops the
    foreign keys to it. Foreign keys are not enforced, because an entity may be unknown for a while: that needs
    PostgreSQL 18.
-#}

{#- In place of dbt's own macro: a new table's columns, without the model's constraints. -#}
{% macro postgres__get_table_columns_and_constraints() -%}
    ({{ adapter.render_raw_columns_constraints(raw_columns=model['columns']) | join(', ') }})
{%- endmacro %}

{#- Hook at the end of a build: adds the keys that are missing. -#}
{% macro declare_keys() -%}
    {%- if execute and flags.WHICH in ('build', 'run') and target.type == 'postgres' -%}
        {%- set unique_indexes = {} -%}
        {%- for table, index in run_query(_unique_indexes()).rows -%}
            {%- do unique_indexes.update({table: index}) -%}
        {%- endfor -%}
        {%- set known = run_query(_keys()).columns[0].values() -%}
        {%- set foreign = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name in unique_indexes -%}
            {%- for key in node.constraints if key.type == 'primary_key' and node.name ~ '_pkey' not in known -%}
                alter table {{ node.relation_name }} add constraint {{ node.name }}_pkey
                primary key using index {{ adapter.quote(unique_indexes[node.name]) }};
            {%- endfor -%}
            {%- for key in node.constraints if key.type == 'foreign_key' -%}
                {%- set name = node.name ~ '_' ~ (key['columns'] | join('_')) ~ '_fkey' -%}
                {#- dbt resolves `to` only in the model that it is building: here it is still a ref. -#}
                {%- set dimension = modules.re.search('dim_[a-z]+', key.to).group() -%}
                {%- if name not in known and dimension in unique_indexes -%}
                    {%- do foreign.append([node.relation_name, name, key, relation_of(dimension)]) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {#- They come last: a dimension has its primary key by then. -#}
        {%- if foreign and can_leave_keys_unenforced() -%}
            {%- for relation, name, key, dimension in foreign -%}
                alter table {{ relation }} add constraint {{ name }} foreign key ({{ key['columns'] | join(', ') }})
                references {{ dimension }} ({{ key.to_columns | join(', ') }}) not enforced;
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro can_leave_keys_unenforced() -%}
    {{ return(run_query("select current_setting('server_version_num')").columns[0].values()[0] | int >= 180000) }}
{%- endmacro %}

{% macro _unique_indexes() -%}
    select
        tables.relname,
        indexes.relname
    from pg_index
    inner join pg_class as tables on pg_index.indrelid = tables.oid
    inner join pg_class as indexes on pg_index.indexrelid = indexes.oid
    inner join pg_namespace on tables.relnamespace = pg_namespace.oid
    where pg_index.indisunique and pg_namespace.nspname = 'marts'
{%- endmacro %}

{% macro _keys() -%}
    select conname
    from pg_constraint
    inner join pg_namespace on pg_constraint.connamespace = pg_namespace.oid
    where pg_namespace.nspname = 'marts' and pg_constraint.contype in ('p', 'f')
{%- endmacro %}

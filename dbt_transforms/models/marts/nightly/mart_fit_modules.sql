{%- set names = {
    'module_type_name': ['ship_type', 'module_type_id'],
    'base_type_name': ['ship_type', 'base_type_id'],
} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['fit_id', 'rack', 'module_type_id'], 'unique': true}, {'columns': ['module_type_id']},
])) }}

with modules as (
    select
        modules.fit_id,
        modules.rack,
        modules.module_type_id,
        modules.base_type_id,
        modules.units
    from {{ ref('int_fit_modules') }} as modules
    where modules.fit_id in (select fits.fit_id from {{ ref('int_killmail_fits') }} as fits)
)

{{ with_names('modules', names) }}

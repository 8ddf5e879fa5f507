{{ config(incremental_strategy='delete+insert', unique_key='fit_id', indexes=postgres_indexes([
    {'columns': ['fit_id', 'rack', 'module_type_id'], 'unique': true},
])) }}

-- A fit is its modules: one killmail of the days to build tells them. Fits that no killmail has any more, after a
-- change of the static data, stay here; marts leave them out.
with modules as (
    {{ fitted_modules() }}
),

fits as (
    select
        fit_id,
        min(killmail_id) as killmail_id
    from {{ ref('int_killmail_fits') }}
    where {{ is_day_to_build('killmail_date') }}
    group by fit_id
)

select
    fits.fit_id,
    modules.rack,
    modules.module_type_id,
    modules.base_type_id,
    cast(modules.units as bigint) as units
from fits
inner join modules on fits.killmail_id = modules.killmail_id

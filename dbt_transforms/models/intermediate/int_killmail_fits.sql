{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['killmail_id'], 'unique': true}, {'columns': ['killmail_date']}, {'columns': ['fit_id']},
])) }}

with modules as (
    {{ fitted_modules() }}
),

base_modules as (
    select
        killmail_id,
        rack,
        base_type_id,
        sum(units) as units
    from modules
    group by killmail_id, rack, base_type_id
),

families as (
    select
        killmail_id,
        string_agg(concat(rack, ' ', base_type_id, ' ', units), ',' order by rack, base_type_id) as base_modules
    from base_modules
    group by killmail_id
),

fits as (
    select
        killmail_id,
        killmail_date,
        ship_type_id,
        string_agg(concat(rack, ' ', module_type_id, ' ', units), ',' order by rack, module_type_id) as modules,
        cast(sum(units) as bigint) as module_count
    from modules
    group by killmail_id, killmail_date, ship_type_id
)

select
    fits.killmail_id,
    fits.killmail_date,
    fits.ship_type_id,
    {{ fit_id('fits.ship_type_id', 'fits.modules') }} as fit_id,
    {{ fit_id('fits.ship_type_id', 'families.base_modules') }} as family_id,
    fits.module_count
from fits
inner join families on fits.killmail_id = families.killmail_id

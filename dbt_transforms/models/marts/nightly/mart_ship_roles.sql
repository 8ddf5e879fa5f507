{%- set names = {'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['ship_type_id', 'role'], 'unique': true}, {'columns': ['role']},
])) }}

{%- set modules = {
    'logistics': [41, 67, 325, 585],
    'electronic warfare': [201, 208, 291, 379],
    'tackle': [52, 65],
    'interdictor': [589, 899],
    'energy warfare': [68, 71],
    'smartbombs': [72],
    'cyno': [658],
    'cloak': [330],
    'mining': [54, 464, 483],
    'salvaging': [1122],
} %}

with fits as (
    select
        fit_id,
        ship_type_id,
        losses
    from {{ ref('mart_fits') }}
),

fitted as (
    select
        ship_type_id,
        cast(sum(losses) as bigint) as fitted_losses
    from fits
    group by ship_type_id
),

by_fit as (
    {%- for role, groups in modules.items() %}
    select distinct
        modules.fit_id,
        '{{ role }}' as role
    from {{ ref('mart_fit_modules') }} as modules
    inner join {{ ref('int_types') }} as module_types on modules.module_type_id = module_types.type_id
    where module_types.group_id in ({{ groups | join(', ') }})
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

by_modules as (
    select
        fits.ship_type_id,
        by_fit.role,
        cast(sum(fits.losses) as bigint) as losses_with_modules
    from fits
    inner join by_fit on fits.fit_id = by_fit.fit_id
    group by fits.ship_type_id, by_fit.role
),

by_hull as (
    {%- for role, groups in hull_groups().items() %}
    select
        fitted.ship_type_id,
        '{{ role }}' as role
    from fitted
    inner join {{ ref('int_types') }} as hulls on fitted.ship_type_id = hulls.type_id
    where hulls.group_id in ({{ groups | join(', ') }})
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

roles as (
    select
        coalesce(by_hull.ship_type_id, by_modules.ship_type_id) as ship_type_id,
        coalesce(by_hull.role, by_modules.role) as role,
        by_hull.role is not null as is_hull_made_for_it,
        coalesce(by_modules.losses_with_modules, 0) as losses_with_modules
    from by_hull
    full outer join by_modules on by_hull.ship_type_id = by_modules.ship_type_id and by_hull.role = by_modules.role
),

shares as (
    select
        roles.ship_type_id,
        roles.role,
        roles.is_hull_made_for_it,
        roles.losses_with_modules,
        fitted.fitted_losses,
        cast(roles.losses_with_modules as double precision) / fitted.fitted_losses as share_of_losses
    from roles
    inner join fitted on roles.ship_type_id = fitted.ship_type_id
)

{{ with_names('shares', names) }}

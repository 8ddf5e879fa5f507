{%- set names = {'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['family_id'], 'unique': true}, {'columns': ['ship_type_id', 'losses']},
])) }}

with counted as (
    select
        fits.family_id,
        fits.fit_id,
        min(fits.ship_type_id) as ship_type_id,
        count(*) as losses,
        min(fits.killmail_date) as first_date,
        max(fits.killmail_date) as last_date
    from {{ ref('int_killmail_fits') }} as fits
    group by fits.family_id, fits.fit_id
),

ranked as (
    select
        family_id,
        fit_id,
        row_number() over (partition by family_id order by losses desc, fit_id) as rank
    from counted
),

pilots as (
    select
        fits.family_id,
        count(distinct killmails.victim_character_id) as pilots
    from {{ ref('int_killmail_fits') }} as fits
    inner join {{ ref('int_killmails') }} as killmails on fits.killmail_id = killmails.killmail_id
    group by fits.family_id
),

by_family as (
    select
        counted.family_id,
        min(counted.ship_type_id) as ship_type_id,
        count(*) as fits,
        cast(sum(counted.losses) as bigint) as losses,
        min(counted.first_date) as first_date,
        max(counted.last_date) as last_date
    from counted
    group by counted.family_id
),

families as (
    select
        by_family.family_id,
        by_family.ship_type_id,
        ranked.fit_id as typical_fit_id,
        by_family.fits,
        by_family.losses,
        pilots.pilots,
        by_family.first_date,
        by_family.last_date
    from by_family
    inner join ranked on by_family.family_id = ranked.family_id and ranked.rank = 1
    inner join pilots on by_family.family_id = pilots.family_id
)

{{ with_names('families', names) }}

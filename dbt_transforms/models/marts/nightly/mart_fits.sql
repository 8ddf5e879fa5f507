{%- set names = {'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['fit_id'], 'unique': true}, {'columns': ['ship_type_id', 'losses']}, {'columns': ['family_id']},
])) }}

with by_fit as (
    select
        fits.fit_id,
        min(fits.family_id) as family_id,
        min(fits.ship_type_id) as ship_type_id,
        max(fits.module_count) as module_count,
        count(*) as losses,
        count(distinct killmails.victim_character_id) as pilots,
        min(fits.killmail_date) as first_date,
        max(fits.killmail_date) as last_date,
        min(fits.killmail_id) as first_killmail_id,
        max(fits.killmail_id) as last_killmail_id,
        {%- for method in price_methods() %}
        {{ isk("avg(prices." ~ method ~ "_fitted)") }} as average_{{ method }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_killmail_fits') }} as fits
    inner join {{ ref('int_killmails') }} as killmails on fits.killmail_id = killmails.killmail_id
    left join {{ ref('int_killmail_values') }} as prices on fits.killmail_id = prices.killmail_id
    group by fits.fit_id
)

{{ with_names('by_fit', names) }}

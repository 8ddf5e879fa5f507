{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'month', 'family_id'], 'unique': true},
    {'columns': ['month']}, {'columns': ['family_id']},
])) }}

with losses as (
    {% for kind in ['corporation', 'alliance'] %}
    select
        {{ month_of('fits.killmail_date') }} as month,
        '{{ kind }}' as entity_kind,
        killmails.victim_{{ kind }}_id as entity_id,
        fits.family_id,
        fits.fit_id,
        fits.ship_type_id,
        killmails.victim_character_id,
        killmails.total_value,
        killmails.is_hull_priced
    from {{ ref('int_killmail_fits') }} as fits
    inner join {{ ref('int_killmails') }} as killmails on fits.killmail_id = killmails.killmail_id
    where
        {{ is_day_to_build('fits.killmail_date', months=true) }}
        and {{ has_player_entity(kind, 'killmails.victim_' ~ kind ~ '_id') }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

by_family as (
    select
        month,
        entity_kind,
        entity_id,
        family_id,
        min(ship_type_id) as ship_type_id,
        count(distinct fit_id) as fits,
        count(*) as losses,
        count(distinct victim_character_id) as pilots,
        {{ isk('sum(total_value)') }} as isk_lost,
        count(*) filter (where not is_hull_priced) as unpriced_losses
    from losses
    group by month, entity_kind, entity_id, family_id
    having count(*) >= {{ var('doctrine_losses') }}
)

{{ with_names('by_family', names) }}

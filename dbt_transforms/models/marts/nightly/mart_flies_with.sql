{%- set names = {'entity_name': ['entity_kind', 'entity_id'], 'with_name': ['entity_kind', 'with_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'month', 'with_id'], 'unique': true},
    {'columns': ['entity_kind', 'with_id']}, {'columns': ['month']},
])) }}

{#- Only the largest parties of a killmail count: 20 make 190 pairs, 300 would make 45,000. -#}
{%- set largest_parties = 20 %}

with sides as ({{ involvements(player_kinds()) }}),

parties as (
    select
        killmail_id,
        entity_kind,
        entity_id,
        row_number() over (
            partition by killmail_id, entity_kind
            order by {{ is_player_entity('entity_kind', 'entity_id') }} desc, pilots desc, damage_done desc, entity_id
        ) as size_rank
    from sides
    where is_kill
),

pairs as (
    select
        {{ month_of('killmails.killmail_date') }} as month,
        parties.entity_kind,
        parties.entity_id,
        others.entity_id as with_id,
        count(*) as kills,
        {{ isk('sum(killmails.total_value)') }} as isk_destroyed,
        count(*) filter (where not killmails.is_hull_priced) as unpriced_kills
    from parties
    inner join parties as others
        on
            parties.killmail_id = others.killmail_id
            and parties.entity_kind = others.entity_kind
            and parties.entity_id <> others.entity_id
            and others.size_rank <= {{ largest_parties }}
    inner join {{ ref('int_killmails') }} as killmails on parties.killmail_id = killmails.killmail_id
    where parties.size_rank <= {{ largest_parties }}
    group by 1, 2, 3, 4
)

{{ with_names('pairs', names) }}

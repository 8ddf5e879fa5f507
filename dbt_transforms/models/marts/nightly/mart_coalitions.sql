{%- set names = {
    'alliance_name': ['alliance', 'alliance_id'], 'other_alliance_name': ['alliance', 'other_alliance_id'],
} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['week', 'alliance_id', 'other_alliance_id'], 'unique': true}, {'columns': ['alliance_id']},
])) }}

with parties as (
    select
        parties.battle_id,
        {{ week_of('parties.killmail_date') }} as week,
        parties.entity_id as alliance_id,
        parties.side,
        parties.pilots
    from {{ ref('mart_battle_parties') }} as parties
    inner join {{ ref('mart_battle_sides') }} as sides
        on parties.battle_id = sides.battle_id and parties.side = sides.side
    where
        parties.entity_kind = 'alliance'
        and parties.pilots >= {{ var('coalition_pilots') }}
        and not sides.is_third_party
),

pairs as (
    select
        parties.week,
        parties.alliance_id,
        others.alliance_id as other_alliance_id,
        count(*) filter (where parties.side = others.side) as battles_together,
        count(*) filter (where parties.side <> others.side) as battles_against,
        cast(
            coalesce(sum(least(parties.pilots, others.pilots)) filter (where parties.side = others.side), 0) as bigint
        ) as pilots_together
    from parties
    inner join parties as others
        on parties.battle_id = others.battle_id and parties.alliance_id <> others.alliance_id
    group by parties.week, parties.alliance_id, others.alliance_id
),

four_weeks as (
    select
        *,
        cast(sum(battles_together) over weeks as bigint) as battles_together_4_weeks,
        cast(sum(battles_against) over weeks as bigint) as battles_against_4_weeks
    from pairs
    window weeks as (
        partition by alliance_id, other_alliance_id
        order by week
        range between interval '21 days' preceding and current row
    )
),

coalitions as (
    select
        week,
        alliance_id,
        other_alliance_id,
        battles_together,
        battles_against,
        pilots_together,
        battles_together_4_weeks,
        battles_against_4_weeks,
        cast(battles_together_4_weeks as double precision) / (battles_together_4_weeks + battles_against_4_weeks)
            as strength,
        battles_together_4_weeks >= {{ var('coalition_battles') }} and battles_against_4_weeks = 0 as is_coalition
    from four_weeks
)

{{ with_names('coalitions', names) }}

{%- set names = {
    'ship_type_name': ['ship_type', 'ship_type_id'],
    'opponent_ship_type_name': ['ship_type', 'opponent_ship_type_id'],
} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['ship_type_id', 'opponent_ship_type_id'], 'unique': true},
])) }}

with duels as (
    select
        killmails.final_blow_ship_type_id as winner,
        killmails.victim_ship_type_id as loser
    from {{ ref('int_killmails') }} as killmails
    cross join {{ ref('int_build') }} as build
    where
        killmails.is_solo_zkb
        and not killmails.is_npc_zkb
        and killmails.final_blow_ship_type_id is not null
        and killmails.killmail_date > build.as_of - {{ var('matchup_days') }}
        and killmails.killmail_date <= build.as_of
),

sides as (
    select
        winner as ship_type_id,
        loser as opponent_ship_type_id,
        1 as won
    from duels

    union all

    select
        loser as ship_type_id,
        winner as opponent_ship_type_id,
        0 as won
    from duels
),

matchups as (
    select
        ship_type_id,
        opponent_ship_type_id,
        count(*) as duels,
        cast(sum(won) as bigint) as wins,
        round(cast(sum(won) as numeric) / count(*), 4) as win_share
    from sides
    where ship_type_id <> opponent_ship_type_id
    group by ship_type_id, opponent_ship_type_id
    having count(*) >= {{ var('matchup_duels') }}
)

{{ with_names('matchups', names) }}

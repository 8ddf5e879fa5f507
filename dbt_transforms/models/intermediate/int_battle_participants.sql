{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['battle_id']}, {'columns': ['killmail_date']},
])) }}

with battle_killmails as (
    select
        battle_killmails.killmail_id,
        battle_killmails.killmail_time,
        battle_killmails.battle_id,
        battles.killmail_date
    from {{ ref('stg_battle_killmails') }} as battle_killmails
    inner join {{ ref('stg_battles') }} as battles on battle_killmails.battle_id = battles.battle_id
    where {{ is_day_to_build('battles.killmail_date') }}
),

participants as (
    select
        killmail_id,
        -1 as attacker_index,
        true as is_victim,
        victim_character_id as character_id,
        victim_corporation_id as corporation_id,
        victim_alliance_id as alliance_id,
        {{ battle_party('victim_') }} as party_id,
        victim_ship_type_id as ship_type_id,
        victim_damage_taken as damage,
        false as final_blow
    from {{ ref('stg_killmails') }}
    where {{ is_in_battle_to_build('killmail_time') }}

    union all

    select
        killmail_id,
        attacker_index,
        false as is_victim,
        character_id,
        corporation_id,
        alliance_id,
        {{ battle_party('') }} as party_id,
        ship_type_id,
        damage_done as damage,
        final_blow
    from {{ ref('stg_killmail_attackers') }}
    where {{ is_in_battle_to_build('killmail_time') }}
)

select
    battle_killmails.battle_id,
    battle_killmails.killmail_date,
    battle_killmails.killmail_time,
    participants.killmail_id,
    participants.attacker_index,
    participants.is_victim,
    parties.side,
    case when {{ is_player_character('participants.character_id') }} then participants.character_id end as character_id,
    participants.corporation_id,
    participants.alliance_id,
    participants.party_id,
    participants.ship_type_id,
    participants.damage,
    participants.final_blow
from battle_killmails
inner join participants on battle_killmails.killmail_id = participants.killmail_id
inner join {{ ref('stg_battle_parties') }} as parties
    on battle_killmails.battle_id = parties.battle_id and participants.party_id = parties.party_id

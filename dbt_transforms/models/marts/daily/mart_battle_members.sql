{%- set names = {
    'character_name': ['character', 'character_id'],
    'corporation_name': ['corporation', 'corporation_id'],
    'alliance_name': ['alliance', 'alliance_id'],
    'last_ship_type_name': ['ship_type', 'last_ship_type_id'],
} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['battle_id', 'character_id'], 'unique': true}, {'columns': ['killmail_date']},
    {'columns': ['character_id']},
])) }}

with participants as (
    select
        battle_id,
        killmail_date,
        character_id,
        max(side) as side,
        (array_agg(corporation_id order by killmail_time desc, killmail_id desc))[1] as corporation_id,
        (array_agg(alliance_id order by killmail_time desc, killmail_id desc))[1] as alliance_id,
        min(killmail_time) as first_seen_at,
        max(killmail_time) as last_seen_at,
        count(distinct killmail_id) filter (where not is_victim) as kills,
        count(distinct killmail_id) filter (where final_blow) as final_blows,
        cast(coalesce(sum(damage) filter (where not is_victim), 0) as bigint) as damage_done
    from {{ ref('int_battle_participants') }}
    where {{ is_day_to_build('killmail_date') }} and character_id is not null
    group by battle_id, killmail_date, character_id
),

losses as (
    select
        battle_id,
        character_id,
        count(*) filter (where not is_pod) as ships_lost,
        count(*) filter (where is_pod) as pods_lost,
        max(killmail_time) filter (where is_pod) as pod_lost_at,
        {{ isk('sum(total_value)') }} as isk_lost,
        count(*) filter (where not is_hull_priced) as unpriced_losses
    from {{ ref('int_battle_losses') }}
    where {{ is_day_to_build('killmail_date') }} and character_id is not null
    group by battle_id, character_id
),

hulls as (
    select
        battle_id,
        character_id,
        max(hull_number) as hulls,
        (array_agg(ship_type_id order by hull_number desc))[1] as last_ship_type_id,
        (array_agg(lost_killmail_id is not null order by hull_number desc))[1] as is_last_ship_lost,
        max(last_seen_at) as last_flown_at
    from {{ ref('int_battle_hulls') }}
    where {{ is_day_to_build('killmail_date') }}
    group by battle_id, character_id
),

members as (
    select
        participants.killmail_date,
        participants.battle_id,
        participants.character_id,
        participants.side,
        participants.corporation_id,
        participants.alliance_id,
        participants.first_seen_at,
        participants.last_seen_at,
        coalesce(hulls.hulls, 0) as hulls,
        hulls.last_ship_type_id,
        participants.kills,
        participants.final_blows,
        participants.damage_done,
        coalesce(losses.ships_lost, 0) as ships_lost,
        coalesce(losses.pods_lost, 0) as pods_lost,
        coalesce(losses.isk_lost, {{ isk('0') }}) as isk_lost,
        coalesce(losses.unpriced_losses, 0) as unpriced_losses,
        case
            when losses.pod_lost_at >= coalesce(hulls.last_flown_at, losses.pod_lost_at) then 'pod lost'
            when hulls.is_last_ship_lost then 'ship lost'
            when participants.last_seen_at < battles.ended_at - interval '10 minutes' then 'left'
            else 'there at the end'
        end as fate
    from participants
    inner join {{ ref('stg_battles') }} as battles on participants.battle_id = battles.battle_id
    left join losses
        on participants.battle_id = losses.battle_id and participants.character_id = losses.character_id
    left join hulls
        on participants.battle_id = hulls.battle_id and participants.character_id = hulls.character_id
)

{{ with_names('members', names) }}

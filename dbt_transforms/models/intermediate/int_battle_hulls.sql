{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['battle_id', 'character_id', 'hull_number'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

-- A pilot sits in the next hull when another one is seen, or after losing one. Capsules are no hulls.
with seen as (
    select
        participants.battle_id,
        participants.killmail_date,
        participants.character_id,
        participants.killmail_id,
        participants.killmail_time,
        participants.ship_type_id,
        ships.group_id as ship_group_id,
        bool_or(participants.is_victim) as is_lost,
        max(participants.side) as side
    from {{ ref('int_battle_participants') }} as participants
    inner join {{ ref('int_types') }} as ships on participants.ship_type_id = ships.type_id
    where
        {{ is_day_to_build('participants.killmail_date') }}
        and participants.character_id is not null
        and ships.category_id = {{ eve_ids().ship }}
        and ships.group_id <> {{ eve_ids().capsule }}
    group by
        participants.battle_id, participants.killmail_date, participants.character_id, participants.killmail_id,
        participants.killmail_time, participants.ship_type_id, ships.group_id
),

followed as (
    select
        *,
        lag(ship_type_id) over pilot as ship_before,
        lag(is_lost) over pilot as is_lost_before
    from seen
    window pilot as (
        partition by battle_id, character_id order by killmail_time, is_lost, killmail_id
    )
),

numbered as (
    select
        *,
        count(*) filter (where ship_before is distinct from ship_type_id or is_lost_before) over (
            partition by battle_id, character_id order by killmail_time, is_lost, killmail_id
            rows between unbounded preceding and current row
        ) as hull_number
    from followed
)

select
    battle_id,
    killmail_date,
    character_id,
    hull_number,
    max(side) as side,
    min(ship_type_id) as ship_type_id,
    min(ship_group_id) as ship_group_id,
    min(killmail_time) as first_seen_at,
    max(killmail_time) as last_seen_at,
    max(killmail_id) filter (where is_lost) as lost_killmail_id
from numbered
group by battle_id, killmail_date, character_id, hull_number

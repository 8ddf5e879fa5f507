{%- set names = {'entity_name': ['entity_kind', 'entity_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['battle_id', 'side'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

with participants as (
    select
        battle_id,
        killmail_date,
        side,
        count(distinct character_id) as pilots,
        count(distinct corporation_id) as corporations,
        count(distinct alliance_id) as alliances
    from {{ ref('int_battle_participants') }}
    where {{ is_day_to_build('killmail_date') }}
    group by battle_id, killmail_date, side
),

losses as (
    select
        battle_id,
        side,
        count(*) filter (where not is_pod) as ships_lost,
        count(*) filter (where is_pod) as pods_lost,
        count(*) filter (where is_capital) as capitals_lost,
        {{ isk('sum(total_value)') }} as isk_lost,
        count(*) filter (where not is_hull_priced) as unpriced_losses
    from {{ ref('int_battle_losses') }}
    where {{ is_day_to_build('killmail_date') }}
    group by battle_id, side
),

-- A loss counts whole for each other side that shot at it.
shot as (
    select distinct
        participants.battle_id,
        participants.side,
        losses.killmail_id,
        losses.total_value,
        losses.is_hull_priced
    from {{ ref('int_battle_participants') }} as participants
    inner join {{ ref('int_battle_losses') }} as losses on participants.killmail_id = losses.killmail_id
    where
        {{ is_day_to_build('participants.killmail_date') }}
        and not participants.is_victim
        and participants.side <> losses.side
),

kills as (
    select
        battle_id,
        side,
        count(*) as kills,
        {{ isk('sum(total_value)') }} as isk_destroyed,
        count(*) filter (where not is_hull_priced) as unpriced_kills
    from shot
    group by battle_id, side
),

flown as (
    select
        hulls.battle_id,
        hulls.side,
        count(distinct hulls.character_id) as pilots_in_hulls,
        count(distinct hulls.character_id) filter (where {{ is_logistics('hulls.ship_group_id') }}) as logistics_pilots,
        count(distinct hulls.character_id) filter (
            where {{ is_electronic_warfare('hulls.ship_group_id') }}
        ) as electronic_warfare_pilots,
        count(distinct hulls.character_id) filter (where ships.is_capital) as capital_pilots
    from {{ ref('int_battle_hulls') }} as hulls
    inner join {{ ref('int_types') }} as ships on hulls.ship_type_id = ships.type_id
    where {{ is_day_to_build('hulls.killmail_date') }}
    group by hulls.battle_id, hulls.side
),

largest as (
    select
        battle_id,
        side,
        entity_kind,
        entity_id,
        row_number() over (partition by battle_id, side order by pilots desc, ships_lost desc, entity_id) as place
    from {{ ref('mart_battle_parties') }}
    where {{ is_day_to_build('killmail_date') }}
),

sides as (
    select
        participants.killmail_date,
        participants.battle_id,
        participants.side,
        largest.entity_kind,
        largest.entity_id,
        participants.pilots,
        participants.corporations,
        participants.alliances,
        coalesce(kills.kills, 0) as kills,
        coalesce(losses.ships_lost, 0) as ships_lost,
        coalesce(losses.pods_lost, 0) as pods_lost,
        coalesce(losses.capitals_lost, 0) as capitals_lost,
        coalesce(kills.isk_destroyed, {{ isk('0') }}) as isk_destroyed,
        coalesce(kills.unpriced_kills, 0) as unpriced_kills,
        coalesce(losses.isk_lost, {{ isk('0') }}) as isk_lost,
        coalesce(losses.unpriced_losses, 0) as unpriced_losses,
        cast(
            coalesce(kills.isk_destroyed, 0)
            / nullif(coalesce(kills.isk_destroyed, 0) + coalesce(losses.isk_lost, 0), 0) as double precision
        ) as isk_efficiency,
        coalesce(flown.logistics_pilots, 0) as logistics_pilots,
        coalesce(flown.electronic_warfare_pilots, 0) as electronic_warfare_pilots,
        coalesce(flown.capital_pilots, 0) as capital_pilots,
        cast(flown.logistics_pilots as double precision) / flown.pilots_in_hulls as logistics_share,
        cast(flown.electronic_warfare_pilots as double precision) / flown.pilots_in_hulls as electronic_warfare_share,
        known.hostility_share,
        known.is_third_party
    from participants
    inner join {{ ref('stg_battle_sides') }} as known
        on participants.battle_id = known.battle_id and participants.side = known.side
    inner join largest
        on participants.battle_id = largest.battle_id and participants.side = largest.side and largest.place = 1
    left join losses on participants.battle_id = losses.battle_id and participants.side = losses.side
    left join kills on participants.battle_id = kills.battle_id and participants.side = kills.side
    left join flown on participants.battle_id = flown.battle_id and participants.side = flown.side
)

{{ with_names('sides', names) }}

{%- set names = {'solar_system_name': ['system', 'solar_system_id'], 'region_name': ['region', 'region_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['battle_id'], 'unique': true}, {'columns': ['killmail_date']}, {'columns': ['region_id']},
])) }}

with systems as (
    select
        battle_id,
        solar_system_id,
        max(region_id) as region_id,
        row_number() over (partition by battle_id order by count(*) desc, solar_system_id) as place
    from {{ ref('int_battle_losses') }}
    where {{ is_day_to_build('killmail_date') }}
    group by battle_id, solar_system_id
),

losses as (
    select
        battle_id,
        count(*) as killmails,
        count(distinct solar_system_id) as systems,
        count(*) filter (where not is_pod) as ships_lost,
        count(*) filter (where is_pod) as pods_lost,
        count(*) filter (where is_capital) as capitals_lost,
        {{ isk('sum(total_value)') }} as isk_destroyed,
        count(*) filter (where not is_hull_priced) as unpriced_kills
    from {{ ref('int_battle_losses') }}
    where {{ is_day_to_build('killmail_date') }}
    group by battle_id
),

participants as (
    select
        battle_id,
        count(distinct character_id) as pilots,
        count(distinct corporation_id) as corporations,
        count(distinct alliance_id) as alliances
    from {{ ref('int_battle_participants') }}
    where {{ is_day_to_build('killmail_date') }}
    group by battle_id
),

sides as (
    select
        battle_id,
        count(*) as sides
    from {{ ref('stg_battle_sides') }}
    where hostility_share > 0
    group by battle_id
),

summed as (
    select
        battles.killmail_date,
        battles.battle_id,
        battles.started_at,
        battles.ended_at,
        systems.solar_system_id,
        systems.region_id,
        losses.systems,
        losses.killmails,
        participants.pilots,
        participants.corporations,
        participants.alliances,
        sides.sides,
        losses.ships_lost,
        losses.pods_lost,
        losses.capitals_lost,
        losses.isk_destroyed,
        losses.unpriced_kills,
        battles.split_confidence
    from {{ ref('stg_battles') }} as battles
    inner join losses on battles.battle_id = losses.battle_id
    inner join participants on battles.battle_id = participants.battle_id
    inner join sides on battles.battle_id = sides.battle_id
    inner join systems on battles.battle_id = systems.battle_id and systems.place = 1
    where {{ is_day_to_build('battles.killmail_date') }}
)

{{ with_names('summed', names) }}

{%- set names = {'entity_name': ['entity_kind', 'entity_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['battle_id', 'entity_id'], 'unique': true}, {'columns': ['killmail_date']},
    {'columns': ['entity_kind', 'entity_id']},
])) }}

with participants as (
    select
        battle_id,
        killmail_date,
        party_id,
        count(distinct character_id) as pilots
    from {{ ref('int_battle_participants') }}
    where {{ is_day_to_build('killmail_date') }}
    group by battle_id, killmail_date, party_id
),

losses as (
    select
        battle_id,
        party_id,
        count(*) filter (where not is_pod) as ships_lost,
        count(*) filter (where is_pod) as pods_lost,
        {{ isk('sum(total_value)') }} as isk_lost,
        count(*) filter (where not is_hull_priced) as unpriced_losses
    from {{ ref('int_battle_losses') }}
    where {{ is_day_to_build('killmail_date') }}
    group by battle_id, party_id
),

parties as (
    select
        participants.killmail_date,
        participants.battle_id,
        known.party_kind as entity_kind,
        participants.party_id as entity_id,
        known.side,
        participants.pilots,
        coalesce(losses.ships_lost, 0) as ships_lost,
        coalesce(losses.pods_lost, 0) as pods_lost,
        coalesce(losses.isk_lost, {{ isk('0') }}) as isk_lost,
        coalesce(losses.unpriced_losses, 0) as unpriced_losses,
        known.confidence
    from participants
    inner join {{ ref('stg_battle_parties') }} as known
        on participants.battle_id = known.battle_id and participants.party_id = known.party_id
    left join losses on participants.battle_id = losses.battle_id and participants.party_id = losses.party_id
)

{{ with_names('parties', names) }}

{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['killmail_id'], 'unique': true}, {'columns': ['killmail_date']},
    {'columns': ['attacker_ids'], 'type': 'gin'}, {'columns': ['victim_ids'], 'type': 'gin'},
])) }}

with attackers as (
    select
        killmail_id,
        {{ ids_of(['character_id', 'corporation_id', 'alliance_id', 'faction_id', 'ship_type_id']) }} as attacker_ids
    from {{ ref('stg_killmail_attackers') }}
    where {{ is_to_build('killmail_time') }}
    group by killmail_id
)

select
    killmails.killmail_id,
    killmails.killmail_time,
    killmails.killmail_date,
    attackers.attacker_ids,
    {{ present([
        'killmails.victim_character_id', 'killmails.victim_corporation_id', 'killmails.victim_alliance_id',
        'killmails.victim_faction_id', 'killmails.victim_ship_type_id',
    ]) }} as victim_ids
from {{ ref('int_killmails') }} as killmails
inner join attackers on killmails.killmail_id = attackers.killmail_id
where {{ is_to_build('killmails.killmail_time') }}

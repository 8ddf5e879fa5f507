{{ config(unique_key='killmail_date', indexes=postgres_indexes([
    {'columns': ['character_id', 'first_seen_at', 'first_killmail_id'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

with seen as (
    select
        character_id,
        killmail_time,
        killmail_id,
        corporation_id,
        alliance_id
    from {{ ref('stg_killmail_attackers') }}
    where
        {{ is_to_build('killmail_time') }}
        and {{ is_player_character('character_id') }}
        and corporation_id is not null

    union all

    select
        victim_character_id as character_id,
        killmail_time,
        killmail_id,
        victim_corporation_id as corporation_id,
        victim_alliance_id as alliance_id
    from {{ ref('stg_killmails') }}
    where
        {{ is_to_build('killmail_time') }}
        and {{ is_player_character('victim_character_id') }}
        and victim_corporation_id is not null
),

-- A pilot may be on a killmail more than once: then with the same corporation, but for broken killmails.
once as (
    select
        character_id,
        {{ utc_date('killmail_time') }} as killmail_date,
        killmail_time,
        killmail_id,
        min(corporation_id) as corporation_id,
        min(alliance_id) as alliance_id
    from seen
    group by character_id, killmail_time, killmail_id
),

{{ numbered_runs('once', 'character_id, killmail_date', 'killmail_time, killmail_id') }}

select
    killmail_date,
    character_id,
    corporation_id,
    alliance_id,
    min(killmail_time) as first_seen_at,
    max(killmail_time) as last_seen_at,
    (array_agg(killmail_id order by killmail_time, killmail_id))[1] as first_killmail_id,
    count(*) as killmails
from numbered
group by killmail_date, character_id, corporation_id, alliance_id, run_number

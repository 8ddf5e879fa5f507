-- One row a killmail, corporation and side: with five pilots on a killmail it has one kill.
with attacking as (
    select
        killmail_id,
        killmail_date,
        corporation_id,
        count(*) as pilots,
        sum(damage_done) as damage_done,
        bool_or(final_blow) as has_final_blow
    from {{ ref('stg_killmail_attackers') }}
    where corporation_id is not null
    group by killmail_id, killmail_date, corporation_id
)

select
    killmail_id,
    killmail_date,
    corporation_id,
    'kill' as side,
    pilots,
    damage_done,
    has_final_blow
from attacking

union all

select
    killmail_id,
    killmail_date,
    victim_corporation_id as corporation_id,
    'loss' as side,
    1 as pilots,
    victim_damage_taken as damage_done,
    false as has_final_blow
from {{ ref('stg_killmails') }}
where victim_corporation_id is not null

-- Runs within days, joined where a day begins as the one before has ended. Read it by character_id: then only the
-- runs of that pilot are looked at.
with {{ numbered_runs(ref('int_membership_runs'), 'character_id', 'first_seen_at, first_killmail_id') }},

runs as (
    select
        character_id,
        run_number,
        min(corporation_id) as corporation_id,
        min(alliance_id) as alliance_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        cast(sum(killmails) as bigint) as killmails
    from numbered
    group by character_id, run_number
)

select
    character_id,
    {{ looked_up_name('character', 'runs.character_id') }} as character_name,
    run_number,
    corporation_id,
    {{ looked_up_name('corporation', 'runs.corporation_id') }} as corporation_name,
    alliance_id,
    {{ looked_up_name('alliance', 'runs.alliance_id') }} as alliance_name,
    first_seen_at,
    last_seen_at,
    killmails
from runs

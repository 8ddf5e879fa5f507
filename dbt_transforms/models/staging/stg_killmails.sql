-- Killmail copies from before 2018 have 0 for absent ids.
select
    killmail_id,
    killmail_time,
    {{ utc_date('killmail_time') }} as killmail_date,
    killmail_hash,
    solar_system_id,
    nullif(moon_id, 0) as moon_id,
    nullif(war_id, 0) as war_id,
    nullif(victim_character_id, 0) as victim_character_id,
    nullif(victim_corporation_id, 0) as victim_corporation_id,
    nullif(victim_alliance_id, 0) as victim_alliance_id,
    nullif(victim_faction_id, 0) as victim_faction_id,
    victim_ship_type_id,
    victim_damage_taken,
    position_x,
    position_y,
    position_z,
    source,
    stored_at
from {{ source('raw', 'killmails') }}

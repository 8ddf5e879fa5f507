-- Killmail copies from before 2018 have 0 for absent ids.
select
    killmail_id,
    killmail_time,
    {{ utc_date('killmail_time') }} as killmail_date,
    attacker_index,
    nullif(character_id, 0) as character_id,
    nullif(corporation_id, 0) as corporation_id,
    nullif(alliance_id, 0) as alliance_id,
    nullif(faction_id, 0) as faction_id,
    nullif(ship_type_id, 0) as ship_type_id,
    nullif(weapon_type_id, 0) as weapon_type_id,
    damage_done,
    final_blow,
    security_status
from {{ source('raw', 'killmail_attackers') }}

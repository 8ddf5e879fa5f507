select
    killmail_id,
    killmail_time,
    {{ utc_date('killmail_time') }} as killmail_date,
    attacker_index,
    character_id,
    corporation_id,
    alliance_id,
    faction_id,
    ship_type_id,
    weapon_type_id,
    damage_done,
    final_blow,
    security_status
from {{ source('raw', 'killmail_attackers') }}

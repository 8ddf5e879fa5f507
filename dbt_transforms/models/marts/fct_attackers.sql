select
    attackers.killmail_id,
    attackers.attacker_index,
    attackers.killmail_time,
    killmails.killmail_date,
    attackers.character_id,
    attackers.corporation_id,
    attackers.alliance_id,
    attackers.faction_id,
    attackers.ship_type_id,
    ships.group_id as ship_group_id,
    attackers.weapon_type_id,
    attackers.damage_done,
    cast(attackers.damage_done as double precision) / nullif(killmails.victim_damage_taken, 0) as damage_share,
    attackers.final_blow,
    attackers.security_status,
    {{ is_player_character('attackers.character_id') }} as is_player
from {{ ref('stg_killmail_attackers') }} as attackers
inner join {{ ref('int_killmails') }} as killmails on attackers.killmail_id = killmails.killmail_id
left join {{ ref('int_types') }} as ships on attackers.ship_type_id = ships.type_id

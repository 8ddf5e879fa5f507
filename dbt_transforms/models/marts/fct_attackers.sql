select
    attackers.killmail_id,
    attackers.attacker_index,
    attackers.killmail_time,
    {{ of_the_killmail() }},
    attackers.character_id,
    {{ looked_up_name('character', 'attackers.character_id') }} as character_name,
    attackers.corporation_id,
    {{ looked_up_name('corporation', 'attackers.corporation_id') }} as corporation_name,
    attackers.alliance_id,
    {{ looked_up_name('alliance', 'attackers.alliance_id') }} as alliance_name,
    attackers.faction_id,
    {{ looked_up_name('faction', 'attackers.faction_id') }} as faction_name,
    attackers.ship_type_id,
    {{ looked_up_name('ship_type', 'attackers.ship_type_id') }} as ship_name,
    ships.group_id as ship_group_id,
    {{ looked_up_name('ship_group', 'ships.group_id') }} as ship_group_name,
    coalesce(ships.is_capital, false) as is_capital,
    attackers.weapon_type_id,
    {{ looked_up_name('ship_type', 'attackers.weapon_type_id') }} as weapon_name,
    attackers.damage_done,
    cast(attackers.damage_done as double precision) / nullif(killmails.victim_damage_taken, 0) as damage_share,
    attackers.final_blow,
    attackers.security_status,
    {{ is_player_character('attackers.character_id') }} as is_player
from {{ ref('stg_killmail_attackers') }} as attackers
inner join {{ ref('int_killmails') }} as killmails on attackers.killmail_id = killmails.killmail_id
left join {{ ref('int_types') }} as ships on attackers.ship_type_id = ships.type_id

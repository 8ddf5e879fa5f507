{{ config(materialized='view') }}

select
    attackers.killmail_id,
    attackers.attacker_index,
    attackers.character_id,
    attackers.corporation_id,
    attackers.alliance_id,
    attackers.ship_type_id,
    attackers.final_blow,
    attackers.security_status,
    killmails.killmail_time,
    killmails.killmail_date,
    killmails.solar_system_id,
    killmails.solar_system_security_status,
    killmails.region_id,
    killmails.victim_ship_category_id,
    killmails.attacker_count,
    killmails.attacker_player_count,
    killmails.total_value,
    killmails.is_hull_priced,
    killmails.is_solo_zkb,
    killmails.is_ganked,
    killmails.is_padding
from {{ ref('stg_killmail_attackers') }} as attackers
inner join {{ ref('int_killmails') }} as killmails on attackers.killmail_id = killmails.killmail_id
cross join {{ ref('int_build') }} as build
where
    {{ is_of_profiles('killmails.killmail_date') }}
    and {{ is_recent('attackers.killmail_time') }}
    and not killmails.is_npc_zkb
    and {{ is_player_character('attackers.character_id') }}

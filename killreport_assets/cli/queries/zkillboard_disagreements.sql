-- Where our flags and points differ from zKillboard's for a killmail when it was observed.
-- In 2018 it counted NPCs among the attackers of its points; meta levels have changed since.
select
    killmails.killmail_id,
    killmails.killmail_date,
    killmails.victim_ship_name,
    killmails.is_npc_zkb as npc,
    zkillboard.npc as zkillboard_npc,
    killmails.is_solo_zkb as solo,
    zkillboard.solo as zkillboard_solo,
    killmails.is_awox as awox,
    zkillboard.awox as zkillboard_awox,
    killmails.points,
    zkillboard.points as zkillboard_points,
    killmails.attacker_count - killmails.attacker_player_count as npc_attackers
from marts.fct_killmails as killmails
inner join raw.zkillboard_values as zkillboard using (killmail_id)
where
    killmails.is_npc_zkb <> zkillboard.npc
    or killmails.is_solo_zkb <> zkillboard.solo
    or killmails.is_awox <> zkillboard.awox
    or killmails.points <> zkillboard.points
order by killmails.killmail_id

-- The largest battles: where, who fought whom, and what both lost; who is a third party is in is_third_party.
select
    battles.battle_id,
    battles.started_at,
    battles.solar_system_name,
    battles.killmails,
    battles.pilots,
    string_agg(coalesce(sides.entity_name, cast(sides.entity_id as text)), ' against ' order by sides.side) as sides,
    battles.isk_destroyed,
    battles.split_confidence
from marts.mart_battles as battles
inner join marts.mart_battle_sides as sides on battles.battle_id = sides.battle_id
where sides.hostility_share > 0
group by
    battles.battle_id, battles.started_at, battles.solar_system_name, battles.killmails, battles.pilots,
    battles.isk_destroyed, battles.split_confidence
order by battles.killmails desc, battles.battle_id
limit 10

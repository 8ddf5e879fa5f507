-- What each side of the largest battle lost, by class of ship, and how many pilots flew it.
select
    hulls.side,
    hulls.ship_group_name as ship_class,
    count(distinct hulls.character_id) as pilots,
    count(hulls.lost_killmail_id) as lost,
    sum(hulls.total_value) as isk_lost
from marts.mart_battle_hulls as hulls
where hulls.battle_id = (
    select battles.battle_id
    from marts.mart_battles as battles
    order by battles.killmails desc, battles.battle_id
    limit 1
)
group by hulls.side, hulls.ship_group_name
order by hulls.side, 5 desc nulls last, 3 desc, 2
limit 30

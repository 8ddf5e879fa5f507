-- Which alliance kills which, as the main party of the killmail and as a third party, and the ISK lost the other way.
select
    attacker_name as attacker,
    victim_name as victim,
    sum(kills) as kills,
    sum(kills_as_main_party) as as_main_party,
    sum(kills_as_third_party) as as_third_party,
    sum(isk_destroyed) as isk_destroyed,
    sum(net_isk) as net_isk
from marts.mart_rivalries
where entity_kind = 'alliance'
group by attacker_id, attacker_name, victim_id, victim_name
order by 3 desc, 1, 2
limit 10

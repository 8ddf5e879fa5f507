-- Which alliance kills which, as the main party of the killmail and as a third party.
select
    attackers.alliance_name as attacker,
    victims.alliance_name as victim,
    sum(rivalries.kills) as kills,
    sum(rivalries.kills_as_main_party) as as_main_party,
    sum(rivalries.kills_as_third_party) as as_third_party,
    sum(rivalries.isk_destroyed) as isk_destroyed
from marts.mart_rivalries as rivalries
left join marts.dim_alliances as attackers on rivalries.attacker_id = attackers.alliance_id
left join marts.dim_alliances as victims on rivalries.victim_id = victims.alliance_id
where rivalries.entity_kind = 'alliance'
group by 1, 2
order by 3 desc, 1, 2
limit 10

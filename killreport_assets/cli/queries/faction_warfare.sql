-- Who won how many fights of factional warfare, and how much ISK the other side lost.
select
    winner_faction_name,
    loser_faction_name,
    sum(killmails_fw_zkb) as killmails,
    sum(isk_destroyed) as isk_destroyed,
    sum(unpriced_kills) as unpriced_kills
from marts.mart_faction_warfare
group by 1, 2
order by killmails desc, 1

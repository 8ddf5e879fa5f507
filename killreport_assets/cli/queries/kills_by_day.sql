-- Killmails and ISK of each UTC day, newest first.
select
    killmail_date,
    sum(kills) as killmails,
    sum(isk_destroyed) as isk,
    sum(solo_kills_zkb) as solo,
    sum(npc_losses_zkb) as npc
from marts.mart_region_daily
group by killmail_date
order by killmail_date desc
limit 30

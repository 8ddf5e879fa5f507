-- The corporations with the most kills over all of history, with the ratios of three sites side by side.
select
    corporations.corporation_name,
    totals.kills,
    totals.losses,
    totals.isk_efficiency,
    totals.danger_ratio_zkb,
    totals.kill_loss_ratio,
    totals.gang_ratio_zkb,
    totals.average_gang_size
from marts.mart_corporation_all_time as totals
left join marts.dim_corporations as corporations using (corporation_id)
order by totals.kills desc, totals.corporation_id
limit 10

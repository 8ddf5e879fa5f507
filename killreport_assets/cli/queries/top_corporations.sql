-- The corporations with the most kills over all of history, with the ratios of three sites side by side.
select
    entity_name as corporation_name,
    kills,
    losses,
    isk_efficiency,
    danger_ratio_zkb,
    kill_loss_ratio,
    gang_ratio_zkb,
    average_gang_size
from marts.mart_corporation_all_time
order by kills desc, corporation_id
limit 10

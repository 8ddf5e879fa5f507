-- The days and regions whose week was most above the mean of 90 days, of those with at least five kills in the week.
select
    killmail_date,
    region_name,
    activity_level,
    round(cast(ratio_to_mean as numeric), 2) as ratio_to_mean,
    round(cast(mean_kills_7_days as numeric), 1) as kills_a_day,
    mean_isk_destroyed_7_days as isk_a_day
from marts.mart_region_activity
where mean_kills_7_days * 7 >= 5
order by ratio_to_mean desc, killmail_date desc, 2
limit 20

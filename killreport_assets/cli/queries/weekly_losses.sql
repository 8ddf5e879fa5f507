-- The most valuable losses of the last week by the classes of EVE-KILL's lists.
select
    week,
    kill_list,
    rank,
    killmail_id,
    coalesce(victim_ship_name, cast(victim_ship_type_id as text)) as ship,
    total_value,
    solar_system_name
from marts.fct_weekly_list_losses
where
    week = (select max(latest.week) from marts.fct_weekly_list_losses as latest)
    and kill_list in ('evekill:frigates', 'evekill:cruisers', 'evekill:battleships', 'evekill:capitals', 'all')
    and rank <= 5
order by kill_list, rank

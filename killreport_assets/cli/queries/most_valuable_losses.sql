-- The most valuable killmails by zKillboard's rule for prices, beside zKillboard's own values at the time.
select
    killmails.killmail_id,
    killmails.killmail_date,
    killmails.victim_ship_name as ship,
    killmails.solar_system_name as solar_system,
    kill_values.total_value,
    kill_values.zkillboard_total_value,
    round(cast(kill_values.unpriced_units_share as numeric), 2) as unpriced_units_share
from marts.fct_killmails as killmails
inner join marts.fct_killmail_values as kill_values using (killmail_id)
order by kill_values.total_value desc, killmails.killmail_id
limit 10

-- Solar systems by the PvP kills of the 90 days up to their last kill.
with latest as (
    select
        *,
        row_number() over (partition by system_id order by killmail_date desc) as recency
    from marts.mart_system_threat
)

select
    system_name,
    threat,
    pvp_kills_7_days,
    pvp_kills_90_days,
    killmail_date as last_kill
from latest
where recency = 1
order by pvp_kills_90_days desc, killmail_date desc, 1
limit 20

-- Sovereignty campaigns, the newest first, with what was lost in the solar system while they were fought.
select
    start_time,
    solar_system_name,
    event_type,
    coalesce(defender_name, cast(defender_id as text)) as defender,
    ended_at,
    killmails,
    defender_isk_lost,
    other_isk_lost,
    unpriced_losses
from marts.fct_sovereignty_campaigns
order by start_time desc, campaign_id
limit 20

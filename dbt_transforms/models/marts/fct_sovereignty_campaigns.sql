-- The killmails are counted at query time: campaigns are few, and change while they are fought.
select
    campaigns.campaign_id,
    campaigns.event_type,
    campaigns.solar_system_id,
    {{ looked_up_name('system', 'campaigns.solar_system_id') }} as solar_system_name,
    campaigns.constellation_id,
    {{ looked_up_name('constellation', 'campaigns.constellation_id') }} as constellation_name,
    campaigns.structure_id,
    campaigns.defender_id,
    {{ looked_up_name('alliance', 'campaigns.defender_id') }} as defender_name,
    campaigns.start_time,
    campaigns.ended_at,
    campaigns.observed_at,
    campaigns.defender_score,
    campaigns.attackers_score,
    fought.killmails,
    fought.defender_losses,
    fought.defender_isk_lost,
    fought.other_losses,
    fought.other_isk_lost,
    fought.unpriced_losses
from {{ ref('stg_sovereignty_campaigns') }} as campaigns
cross join lateral (
    select
        count(*) as killmails,
        count(*) filter (where killmails.victim_alliance_id = campaigns.defender_id) as defender_losses,
        {{ isk('coalesce(sum(killmails.total_value) filter (
            where killmails.victim_alliance_id = campaigns.defender_id
        ), 0)') }} as defender_isk_lost,
        count(*) filter (where killmails.victim_alliance_id is distinct from campaigns.defender_id) as other_losses,
        {{ isk('coalesce(sum(killmails.total_value) filter (
            where killmails.victim_alliance_id is distinct from campaigns.defender_id
        ), 0)') }} as other_isk_lost,
        count(*) filter (where not killmails.is_hull_priced) as unpriced_losses
    from {{ ref('int_killmails') }} as killmails
    where
        killmails.solar_system_id = campaigns.solar_system_id
        and killmails.killmail_date >= {{ utc_date('campaigns.start_time') }}
        and killmails.killmail_time >= campaigns.start_time
        -- The first look that did not list it may have been long after its end.
        and killmails.killmail_time
        <= least(coalesce(campaigns.ended_at, campaigns.observed_at), campaigns.observed_at + interval '15 minutes')
) as fought

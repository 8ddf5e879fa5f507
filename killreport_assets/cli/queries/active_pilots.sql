-- Corporations and alliances with most distinct pilots in 30 days, as of their last active day.
with latest as (
    select
        *,
        row_number() over (partition by entity_kind, entity_id order by killmail_date desc) as recency
    from marts.mart_active_pilots
    where entity_kind in ('corporation', 'alliance')
)

select
    entity_kind,
    coalesce(entity_name, cast(entity_id as text)) as entity,
    killmail_date,
    active_pilots,
    active_pilots_7_days,
    active_pilots_30_days,
    active_pilots_90_days
from latest
where recency = 1
order by active_pilots_30_days desc, entity_kind, 2
limit 20

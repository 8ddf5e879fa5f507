-- Losses of the last 90 days that a ship replacement programme would pay: a doctrine, in a fleet, the pilot's first.
select
    coalesce(entity_name, cast(entity_id as text)) as entity,
    killmail_time,
    killmail_id,
    coalesce(character_name, cast(character_id as text)) as pilot,
    coalesce(ship_type_name, cast(ship_type_id as text)) as ship,
    total_value,
    has_attacked_with_fleet
from marts.mart_srp_losses
where is_doctrine and session_id is not null and not is_further_loss
order by killmail_time desc, killmail_id
limit 50

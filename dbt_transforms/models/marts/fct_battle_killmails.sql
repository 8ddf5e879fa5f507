select
    losses.killmail_id,
    losses.killmail_date,
    losses.battle_id,
    losses.killmail_time,
    losses.side,
    losses.character_id,
    {{ looked_up_name('character', 'losses.character_id') }} as character_name,
    losses.ship_type_id,
    {{ looked_up_name('ship_type', 'losses.ship_type_id') }} as ship_type_name,
    losses.is_pod,
    losses.solar_system_id,
    {{ looked_up_name('system', 'losses.solar_system_id') }} as solar_system_name,
    losses.total_value,
    losses.is_hull_priced
from {{ ref('int_battle_losses') }} as losses

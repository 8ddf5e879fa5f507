select
    war_id,
    declared,
    started,
    retracted,
    finished,
    mutual,
    open_for_allies,
    aggressor_corporation_id,
    aggressor_alliance_id,
    aggressor_isk_destroyed,
    aggressor_ships_killed,
    defender_corporation_id,
    defender_alliance_id,
    defender_isk_destroyed,
    defender_ships_killed,
    observed_at
from {{ source('raw', 'wars') }}

with allies as (
    select
        war_id,
        count(*) as allies
    from {{ ref('stg_war_allies') }}
    group by war_id
)

select
    wars.war_id,
    wars.declared,
    wars.started,
    wars.retracted,
    wars.finished,
    wars.mutual as is_mutual,
    wars.open_for_allies as is_open_for_allies,
    wars.aggressor_corporation_id,
    {{ looked_up_name('corporation', 'wars.aggressor_corporation_id') }} as aggressor_corporation_name,
    wars.aggressor_alliance_id,
    {{ looked_up_name('alliance', 'wars.aggressor_alliance_id') }} as aggressor_alliance_name,
    wars.aggressor_isk_destroyed,
    wars.aggressor_ships_killed,
    wars.defender_corporation_id,
    {{ looked_up_name('corporation', 'wars.defender_corporation_id') }} as defender_corporation_name,
    wars.defender_alliance_id,
    {{ looked_up_name('alliance', 'wars.defender_alliance_id') }} as defender_alliance_name,
    wars.defender_isk_destroyed,
    wars.defender_ships_killed,
    coalesce(allies.allies, 0) as allies,
    wars.observed_at
from {{ ref('stg_wars') }} as wars
left join allies on wars.war_id = allies.war_id

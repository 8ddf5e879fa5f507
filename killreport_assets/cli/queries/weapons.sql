-- The weapons that pilots attacked with most, and from which hulls, over all months: each pilot on each killmail.
select
    coalesce(weapon_type_name, cast(weapon_type_id as text)) as weapon,
    coalesce(ship_type_name, cast(ship_type_id as text)) as ship,
    sum(attacks) as attacks,
    sum(final_blows) as final_blows,
    sum(damage_done) as damage_done
from marts.mart_weapons_used
where entity_kind = 'character'
group by 1, 2
order by attacks desc, 1, 2
limit 20

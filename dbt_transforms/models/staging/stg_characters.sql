select
    coalesce(bodies.character_id, bulk_names.entity_id) as character_id,
    coalesce(bodies.name, bulk_names.name) as character_name,
    bodies.corporation_id,
    bodies.alliance_id,
    bodies.faction_id,
    bodies.birthday,
    bodies.gender,
    bodies.race_id,
    bodies.bloodline_id,
    bodies.security_status,
    bodies.corporation_title,
    bodies.achievement_score,
    bodies.fetched_at,
    bodies.gone_at is not null as is_gone,
    bodies.character_id is not null as has_body
from {{ source('raw', 'characters') }} as bodies
full outer join {{ bulk_names('character') }} as bulk_names
    on bodies.character_id = bulk_names.entity_id

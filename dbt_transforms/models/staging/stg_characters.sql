select
    bodies.character_id,
    {{ name_of('character') }} as character_name,
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
    true as has_body
from {{ source('raw', 'characters') }} as bodies

union all

select
    bulk_names.entity_id as character_id,
    bulk_names.name as character_name,
    cast(null as bigint) as corporation_id,
    cast(null as bigint) as alliance_id,
    cast(null as bigint) as faction_id,
    cast(null as timestamp with time zone) as birthday,
    cast(null as text) as gender,
    cast(null as bigint) as race_id,
    cast(null as bigint) as bloodline_id,
    cast(null as double precision) as security_status,
    cast(null as text) as corporation_title,
    cast(null as bigint) as achievement_score,
    cast(null as timestamp with time zone) as fetched_at,
    false as is_gone,
    false as has_body
from {{ names_without_body('character', 'characters') }}

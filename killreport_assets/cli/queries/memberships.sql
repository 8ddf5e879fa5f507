-- Pilots who were seen in most corporations and alliances one after the other.
select
    coalesce(character_name, cast(character_id as text)) as pilot,
    count(*) as memberships,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at
from marts.fct_memberships
group by character_id, character_name
having count(*) > 1
order by memberships desc, 1
limit 20

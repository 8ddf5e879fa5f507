-- How many pilots have each role by the killmails of the last 90 days, and the one with most evidence.
select
    role,
    count(*) filter (where is_role) as pilots,
    max(evidence) as most_evidence,
    (array_agg(coalesce(character_name, cast(character_id as text)) order by evidence desc, character_id))[1] as pilot
from marts.mart_pilot_roles
group by role
order by 2 desc, 1

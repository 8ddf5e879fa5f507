-- The characters with the most final blows over all of history.
select
    rank,
    entity_name as character_name,
    value as final_blows
from marts.mart_leaderboards
where entity_kind = 'character' and period = 'all' and metric = 'final_blows' and rank <= 10
order by rank

-- Alliances that fought on one side in four weeks and never against each other, the pairs with most battles first.
select
    week,
    coalesce(alliance_name, cast(alliance_id as text)) as alliance,
    coalesce(other_alliance_name, cast(other_alliance_id as text)) as other_alliance,
    battles_together_4_weeks,
    pilots_together
from marts.mart_coalitions
where is_coalition and alliance_id < other_alliance_id
order by battles_together_4_weeks desc, week desc, 2, 3
limit 20

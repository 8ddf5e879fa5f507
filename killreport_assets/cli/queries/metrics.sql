-- The dictionary of metrics: what each number means, whose definition it is, and how it can mislead.
select *
from marts.mart_metrics
order by model, name

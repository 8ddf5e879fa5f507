-- Every killmail with a victim's corporation is exactly one loss of its day.
with counted as (
    select
        killmail_date,
        sum(losses) as losses
    from {{ ref('mart_corporation_daily') }}
    group by killmail_date
),

expected as (
    select
        killmail_date,
        count(*) as losses
    from {{ ref('fct_killmails') }}
    where victim_corporation_id is not null
    group by killmail_date
)

select
    counted.losses as counted_losses,
    expected.losses as expected_losses,
    coalesce(counted.killmail_date, expected.killmail_date) as killmail_date
from counted
full outer join expected
    on counted.killmail_date = expected.killmail_date
where coalesce(counted.losses, 0) <> coalesce(expected.losses, 0)

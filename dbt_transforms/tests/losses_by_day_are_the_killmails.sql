{{ config(meta={'dagster': {'ref': {'name': 'mart_corporation_daily'}}}) }}

-- Every killmail with a victim corporation is one loss on its day, with its value and its points.
with counted as (
    select
        killmail_date,
        sum(losses) as losses,
        sum(isk_lost) as isk_lost,
        sum(points_lost) as points_lost
    from {{ tested(ref('mart_corporation_daily')) }}
    group by killmail_date
),

expected as (
    select
        killmail_date,
        count(*) as losses,
        sum(total_value) as isk_lost,
        sum(points) as points_lost
    from {{ tested(ref('int_killmails')) }}
    where victim_corporation_id is not null
    group by killmail_date
)

select
    counted.killmail_date,
    counted.losses,
    expected.killmail_date as expected_date,
    expected.losses as expected_losses
from counted
full outer join expected on counted.killmail_date = expected.killmail_date
where
    coalesce(counted.losses, 0) <> coalesce(expected.losses, 0)
    or coalesce(counted.isk_lost, 0) <> coalesce(expected.isk_lost, 0)
    or coalesce(counted.points_lost, 0) <> coalesce(expected.points_lost, 0)

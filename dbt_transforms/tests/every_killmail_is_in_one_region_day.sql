{{ config(meta={'dagster': {'ref': {'name': 'mart_region_daily'}}}) }}

-- Every killmail with a known region is one kill and one loss of exactly one region and day.
with counted as (
    select
        killmail_date,
        sum(kills) as kills,
        sum(losses) as losses
    from {{ tested(ref('mart_region_daily')) }}
    group by killmail_date
),

expected as (
    select
        killmail_date,
        count(region_id) as killmails
    from {{ tested(ref('int_killmails')) }}
    group by killmail_date
    having count(region_id) > 0
)

select
    counted.killmail_date,
    counted.kills,
    counted.losses,
    expected.killmail_date as expected_date,
    expected.killmails
from counted
full outer join expected on counted.killmail_date = expected.killmail_date
where
    coalesce(counted.kills, 0) <> coalesce(expected.killmails, 0)
    or coalesce(counted.losses, 0) <> coalesce(expected.killmails, 0)

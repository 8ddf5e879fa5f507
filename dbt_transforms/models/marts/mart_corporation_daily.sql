with daily as (
    select
        killmail_date,
        corporation_id,
        count(*) filter (where side = 'kill') as kills,
        count(*) filter (where side = 'loss') as losses,
        count(*) filter (where has_final_blow) as final_blows,
        coalesce(sum(pilots) filter (where side = 'kill'), 0) as pilots_on_kills,
        coalesce(sum(damage_done) filter (where side = 'kill'), 0) as damage_done,
        coalesce(sum(damage_done) filter (where side = 'loss'), 0) as damage_taken
    from {{ ref('int_corporation_involvements') }}
    group by killmail_date, corporation_id
)

select
    daily.killmail_date,
    daily.corporation_id,
    corporations.corporation_name,
    daily.kills,
    daily.losses,
    daily.final_blows,
    cast(daily.pilots_on_kills as bigint) as pilots_on_kills,
    cast(daily.damage_done as bigint) as damage_done,
    cast(daily.damage_taken as bigint) as damage_taken
from daily
left join {{ ref('stg_corporations') }} as corporations
    on daily.corporation_id = corporations.corporation_id

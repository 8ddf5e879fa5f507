{{ config(indexes=postgres_indexes([
    {'columns': ['battle_id', 'segment_start', 'side'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

{%- set seconds = 300 %}

with segments as (
    select
        killmail_date,
        battle_id,
        to_timestamp(floor(extract(epoch from killmail_time) / {{ seconds }}) * {{ seconds }}) as segment_start,
        side,
        count(*) filter (where not is_pod) as ships_lost,
        count(*) filter (where is_pod) as pods_lost,
        {{ isk('sum(total_value)') }} as isk_lost,
        count(*) filter (where not is_hull_priced) as unpriced_losses
    from {{ ref('int_battle_losses') }}
    where {{ is_day_to_build('killmail_date') }}
    group by killmail_date, battle_id, segment_start, side
)

select
    killmail_date,
    battle_id,
    segment_start,
    side,
    ships_lost,
    pods_lost,
    isk_lost,
    unpriced_losses,
    cast(sum(ships_lost) over so_far as bigint) as ships_lost_so_far,
    {{ isk('sum(isk_lost) over so_far') }} as isk_lost_so_far
from segments
window so_far as (
    partition by battle_id, side order by segment_start rows between unbounded preceding and current row
)

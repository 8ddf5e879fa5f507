-- The best of a week are among the best of its days.
with ranked as (
    select
        {{ week_of('killmail_date') }} as week,
        kill_list,
        row_number() over (
            partition by
                {{ week_of('killmail_date') }}, kill_list, case when kill_list = 'region' then region_id end
            order by total_value desc, killmail_id
        ) as rank,
        killmail_id,
        killmail_date,
        total_value,
        is_hull_priced,
        victim_character_id,
        victim_character_name,
        victim_ship_type_id,
        victim_ship_name,
        solar_system_id,
        solar_system_name,
        region_id,
        region_name
    from {{ ref('mart_list_losses') }}
)

select *
from ranked
where rank <= {{ best_of_a_list() }}

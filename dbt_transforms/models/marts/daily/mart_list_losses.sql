{%- set names = {
    'victim_character_name': ['character', 'victim_character_id'],
    'victim_ship_name': ['ship_type', 'victim_ship_type_id'],
    'solar_system_name': ['system', 'solar_system_id'],
    'region_name': ['region', 'region_id'],
} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['kill_list', 'killmail_date', 'killmail_id'], 'unique': true}, {'columns': ['killmail_date']},
])) }}

with killmails as (
    select
        killmails.*,
        case when ships.type_id is not null then coalesce(ships.meta_group_id, 1) end as meta_group_id
    from {{ ref('int_killmails') }} as killmails
    left join {{ ref('stg_types') }} as ships on killmails.victim_ship_type_id = ships.type_id
    where {{ is_to_build('killmails.killmail_time') }}
),

on_lists as (
    {%- for kill_list, condition in kill_lists().items() %}
    select
        '{{ kill_list }}' as kill_list,
        row_number() over (
            partition by killmail_date{{ ', region_id' if kill_list == 'region' }}
            order by total_value desc, killmail_id
        ) as rank,
        killmail_id
    from killmails
    where {{ condition }}
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

best as (
    select
        killmails.killmail_date,
        on_lists.kill_list,
        on_lists.rank,
        killmails.killmail_id,
        killmails.total_value,
        killmails.is_hull_priced,
        killmails.victim_character_id,
        killmails.victim_ship_type_id,
        killmails.solar_system_id,
        killmails.region_id
    from on_lists
    inner join killmails on on_lists.killmail_id = killmails.killmail_id
    where on_lists.rank <= {{ best_of_a_list() }}
)

{{ with_names('best', names) }}

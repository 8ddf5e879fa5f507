{%- set names = {
    'character_name': ['character', 'character_id'],
    'ship_type_name': ['ship_type', 'ship_type_id'],
    'solar_system_name': ['system', 'solar_system_id'],
    'region_name': ['region', 'region_id'],
} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['character_id'], 'unique': true},
])) }}

with seen as (
    select
        character_id,
        killmail_id,
        killmail_time,
        killmail_date,
        ship_type_id,
        solar_system_id,
        region_id,
        attacker_player_count as gang,
        is_solo_zkb,
        true as is_kill
    from {{ ref('int_recent_attackers') }}

    union all

    select
        killmails.victim_character_id as character_id,
        killmails.killmail_id,
        killmails.killmail_time,
        killmails.killmail_date,
        killmails.victim_ship_type_id as ship_type_id,
        killmails.solar_system_id,
        killmails.region_id,
        cast(null as bigint) as gang,
        false as is_solo_zkb,
        false as is_kill
    from {{ ref('int_killmails') }} as killmails
    cross join {{ ref('int_build') }} as build
    where
        {{ is_of_profiles('killmails.killmail_date') }}
        and not killmails.is_npc_zkb
        and {{ is_player_character('killmails.victim_character_id') }}
        and coalesce(killmails.victim_ship_group_id, 0) <> {{ eve_ids().capsule }}
),

summed as (
    select
        character_id,
        count(*) filter (where is_kill) as kills,
        count(*) filter (where not is_kill) as losses,
        count(*) filter (where is_solo_zkb) as solo_kills_zkb,
        count(distinct killmail_date) as active_days,
        cast(percentile_cont(0.5) within group (order by gang) as double precision) as median_gang_size,
        {%- for band in time_zones() %}
        cast(count(*) filter (where {{ is_in_time_zone(band, 'killmail_time') }}) as double precision) / count(*)
            as {{ band }}_share,
        {%- endfor %}
        mode() within group (order by ship_type_id) as ship_type_id,
        mode() within group (order by solar_system_id) as solar_system_id,
        mode() within group (order by region_id) as region_id,
        min(killmail_date) as first_date,
        max(killmail_date) as last_date
    from seen
    group by character_id
)

{{ with_names('summed', names) }}

{%- set zarzakh = 10001000 %}
{%- set pochven = 10000070 %}
{%- set pochven_since = "cast('2020-10-13 11:00:00+00' as timestamp with time zone)" %}

-- Names are looked up at query time and only where they are read: they arrive after the killmail.
select
    killmails.killmail_id,
    killmails.killmail_time,
    killmails.killmail_date,
    {{ utc_weekday('killmails.killmail_time') }} as weekday,
    {{ utc_hour('killmails.killmail_time') }} as hour,
    killmails.killmail_hash,
    killmails.solar_system_id,
    {{ looked_up_name('system', 'killmails.solar_system_id') }} as solar_system_name,
    killmails.solar_system_security_status,
    killmails.constellation_id,
    {{ looked_up_name('constellation', 'killmails.constellation_id') }} as constellation_name,
    killmails.region_id,
    {{ looked_up_name('region', 'killmails.region_id') }} as region_name,
    case
        when killmails.region_id is null or killmails.solar_system_security_status is null then 'unknown'
        when killmails.solar_system_security_status >= 0.45 then 'highsec'
        when killmails.solar_system_security_status >= 0 then 'lowsec'
        when killmails.region_id = 11000033 then 'drifter'
        when killmails.region_id between 11000000 and 11999999 then 'w-space'
        when killmails.region_id between 12000000 and 12999999 then 'abyssal'
        when killmails.region_id >= 13000000 or killmails.region_id = {{ zarzakh }} then 'other'
        -- Its systems had other regions until then.
        when killmails.region_id = {{ pochven }} and killmails.killmail_time >= {{ pochven_since }} then 'pochven'
        else 'nullsec'
    end as security_band_zkb,
    case
        when killmails.region_id is null or killmails.solar_system_security_status is null then 'unknown'
        when killmails.solar_system_security_status >= 0.45 then 'highsec'
        when killmails.solar_system_security_status > 0 then 'lowsec'
        when killmails.region_id < 11000000 then 'nullsec'
        when killmails.region_id between 11000001 and 11000033 then 'w-space'
        when killmails.region_id between 12000001 and 12000005 then 'abyssal'
        else 'other'
    end as security_band_evekill,
    case
        {%- for band in time_zones() %}
        when {{ is_in_time_zone(band, 'killmails.killmail_time') }} then '{{ band }}'
        {%- endfor %}
    end as timezone_band,
    killmails.victim_character_id,
    {{ looked_up_name('character', 'killmails.victim_character_id') }} as victim_character_name,
    killmails.victim_corporation_id,
    {{ looked_up_name('corporation', 'killmails.victim_corporation_id') }} as victim_corporation_name,
    killmails.victim_alliance_id,
    {{ looked_up_name('alliance', 'killmails.victim_alliance_id') }} as victim_alliance_name,
    killmails.victim_faction_id,
    {{ looked_up_name('faction', 'killmails.victim_faction_id') }} as victim_faction_name,
    killmails.victim_ship_type_id,
    {{ looked_up_name('ship_type', 'killmails.victim_ship_type_id') }} as victim_ship_name,
    killmails.victim_ship_group_id,
    {{ looked_up_name('ship_group', 'killmails.victim_ship_group_id') }} as victim_ship_group_name,
    killmails.victim_ship_category_id,
    {{ looked_up('category_name', 'stg_categories', 'category_id', 'killmails.victim_ship_category_id') }}
        as victim_ship_category_name,
    killmails.victim_damage_taken,
    killmails.attacker_count,
    killmails.attacker_character_count,
    killmails.attacker_player_count,
    case
        when killmails.is_solo_zkb then 'solo'
        else cast({{ gang_size_bound('killmails.attacker_count') }} as text)
            || case when killmails.attacker_count >= 2 then '+' else '' end
    end as attackers_band_zkb,
    case
        when killmails.attacker_count = 1 then 'solo'
        when killmails.attacker_count <= 5 then 'small gang'
        when killmails.attacker_count <= 15 then 'mid gang'
        when killmails.attacker_count <= 50 then 'fleet'
        else 'blob'
    end as attackers_band_evekill,
    killmails.final_blow_character_id,
    {{ looked_up_name('character', 'killmails.final_blow_character_id') }} as final_blow_character_name,
    killmails.final_blow_corporation_id,
    {{ looked_up_name('corporation', 'killmails.final_blow_corporation_id') }} as final_blow_corporation_name,
    killmails.final_blow_alliance_id,
    {{ looked_up_name('alliance', 'killmails.final_blow_alliance_id') }} as final_blow_alliance_name,
    killmails.final_blow_ship_type_id,
    {{ looked_up_name('ship_type', 'killmails.final_blow_ship_type_id') }} as final_blow_ship_name,
    killmails.item_row_count,
    killmails.war_id,
    killmails.moon_id,
    killmails.total_value,
    killmails.is_hull_priced,
    case
        when killmails.total_value >= 1e12 then '1t+'
        when not killmails.is_hull_priced then 'unknown'
        when killmails.total_value >= 1e11 then '100b+'
        when killmails.total_value >= 1e10 then '10b+'
        when killmails.total_value >= 5e9 then '5b+'
        when killmails.total_value >= 1e9 then '1b+'
        else 'below 1b'
    end as isk_band,
    killmails.points,
    killmails.is_npc_zkb,
    killmails.is_npc_evekill,
    killmails.is_solo_zkb,
    killmails.is_solo_evekill,
    killmails.is_awox,
    killmails.is_padding,
    not killmails.is_npc_zkb and not killmails.is_padding as is_pvp_zkb,
    killmails.is_ganked,
    killmails.is_capital,
    killmails.is_structure,
    killmails.is_war,
    {{ looked_up(
        'total_value', 'stg_zkillboard_values', 'killmail_id', 'killmails.killmail_id'
    ) }} as zkillboard_total_value,
    {{ looked_up('points', 'stg_zkillboard_values', 'killmail_id', 'killmails.killmail_id') }} as zkillboard_points,
    killmails.source,
    killmails.stored_at
from {{ ref('int_killmails') }} as killmails

{{ config(unique_key='killmail_date', post_hook="{{ analyze_this() }}", indexes=postgres_indexes([
    {'columns': ['killmail_id'], 'unique': true}, {'columns': ['killmail_date']},
    {'columns': ['victim_character_id']}, {'columns': ['solar_system_id', 'killmail_date']},
    {'columns': ['region_id', 'killmail_date']},
])) }}

{%- set ids = eve_ids() %}
{%- set first_id_of_ganks = 68300000 %}
{%- set first_id_with_flags = 23970577 %}

with attackers as (
    select
        attackers.killmail_id,
        count(*) as attacker_count,
        count(attackers.character_id) as attacker_character_count,
        count(*) filter (where {{ is_player_character('attackers.character_id') }}) as attacker_player_count,
        bool_or(
            {{ is_player_character('attackers.character_id') }}
            or {{ is_player_corporation('attackers.corporation_id') }}
        ) as has_player_attacker,
        bool_or(coalesce(ships.category_id = {{ ids.structure }}, false)) as has_structure_attacker,
        bool_or(coalesce(attackers.corporation_id = {{ ids.concord }}, false)) as has_concord_attacker,
        bool_and(coalesce(ships.category_id = {{ ids.entity }}, true)) as has_npc_hulls_only,
        cast(sum(attackers.damage_done) as bigint) as attacker_damage_done,
        -- zKillboard's points compare the sizes of all attackers, NPCs too, with the number of characters; an attacker
        -- without a ship has size 1.
        count(*) filter (where ships.group_id = {{ ids.capsule }}) as attacking_pods,
        coalesce(sum(power(5, {{ hull_size('ships') }})) filter (
            where coalesce(ships.group_id, 0) <> {{ ids.capsule }}
        ), 0) as attacking_size,
        max(attackers.character_id) filter (where attackers.final_blow) as final_blow_character_id,
        max(attackers.corporation_id) filter (where attackers.final_blow) as final_blow_corporation_id,
        max(attackers.alliance_id) filter (where attackers.final_blow) as final_blow_alliance_id,
        max(attackers.ship_type_id) filter (where attackers.final_blow) as final_blow_ship_type_id
    from {{ ref('stg_killmail_attackers') }} as attackers
    left join {{ ref('int_types') }} as ships on attackers.ship_type_id = ships.type_id
    where {{ is_to_build('attackers.killmail_time') }}
    group by attackers.killmail_id
),

items as (
    select
        items.killmail_id,
        count(*) as item_row_count,
        -- zKillboard's danger: fitted modules, weighted by meta level.
        coalesce(sum(
            (coalesce(items.quantity_destroyed, 0) + coalesce(items.quantity_dropped, 0))
            * (1 + floor(coalesce(modules.meta_level, 0) / 2))
            * (
                case when modules.heat_damage is not null then 1 else 0 end
                + case when modules.group_id = {{ ids.drone_damage_module }} then 1 else 0 end
                - case when modules.group_id = {{ ids.mining_laser }} then 1 else 0 end
            )
        ) filter (
            where modules.category_id = {{ ids.module }}
            and items.parent_index is null
            and (
                {{ slot('items.flag') }} in ('low', 'mid', 'high', 'subsystem')
                or (items.flag = 0 and items.killmail_id < {{ first_id_with_flags }})
            )
        ), 0) as danger
    from {{ ref('stg_killmail_items') }} as items
    left join {{ ref('int_types') }} as modules on items.item_type_id = modules.type_id
    where {{ is_to_build('items.killmail_time') }}
    group by items.killmail_id
),

punished as (
    select distinct
        killmails.killmail_id,
        killmails.killmail_time,
        killmails.solar_system_id,
        killmails.victim_character_id as character_id
    from {{ ref('stg_killmail_attackers') }} as attackers
    inner join {{ ref('stg_killmails') }} as killmails
        on attackers.killmail_id = killmails.killmail_id and attackers.killmail_time = killmails.killmail_time
    where
        attackers.corporation_id = {{ ids.concord }}
        and attackers.killmail_id >= {{ first_id_of_ganks }}
        and {{ is_to_build('attackers.killmail_time', hours=1) }}
),

involved as (
    select
        killmail_id,
        killmail_time,
        character_id,
        true as has_attacked
    from {{ ref('stg_killmail_attackers') }}
    where killmail_id >= {{ first_id_of_ganks }} - 200 and {{ is_to_build('killmail_time', hours=2) }}

    union all

    select
        killmail_id,
        killmail_time,
        victim_character_id as character_id,
        false as has_attacked
    from {{ ref('stg_killmails') }}
    where killmail_id >= {{ first_id_of_ganks }} - 200 and {{ is_to_build('killmail_time', hours=2) }}
),

-- Killmails of a pilot who lost a ship to CONCORD, at most 200 ids before that loss or 24 after it.
around_punishments as (
    select
        involved.killmail_id,
        punished.solar_system_id,
        bool_or(involved.has_attacked) as has_attacked,
        row_number() over (partition by punished.killmail_id order by involved.killmail_id desc) as recency
    from punished
    inner join involved
        on
            punished.character_id = involved.character_id
            and involved.killmail_id between punished.killmail_id - 200 and punished.killmail_id + 24
            and involved.killmail_time between punished.killmail_time - interval '1 hour'
            and punished.killmail_time + interval '1 hour'
    group by punished.killmail_id, punished.solar_system_id, involved.killmail_id
),

-- zKillboard looks at the newest five of them.
ganks as (
    select distinct
        killmail_id,
        solar_system_id
    from around_punishments
    where recency <= 5 and has_attacked
),

facts as (
    select
        killmails.*,
        systems.constellation_id,
        systems.region_id,
        systems.security_status as solar_system_security_status,
        hulls.group_id as victim_ship_group_id,
        hulls.category_id as victim_ship_category_id,
        coalesce(hulls.is_capital, false) as is_capital,
        coalesce(hulls.category_id = {{ ids.structure }}, false) as is_structure,
        {{ hull_size('hulls') }} as victim_size,
        attackers.attacker_count,
        attackers.attacker_character_count,
        attackers.attacker_player_count,
        attackers.has_player_attacker,
        attackers.has_structure_attacker,
        attackers.has_concord_attacker,
        attackers.has_npc_hulls_only,
        attackers.attacking_pods,
        attackers.attacking_size,
        attackers.attacker_damage_done,
        attackers.final_blow_character_id,
        attackers.final_blow_corporation_id,
        attackers.final_blow_alliance_id,
        attackers.final_blow_ship_type_id,
        coalesce(items.item_row_count, 0) as item_row_count,
        coalesce(items.danger, 0) as danger,
        ganks.killmail_id is not null as is_punished,
        isk.total_value,
        isk.is_hull_priced,
        -- For zKillboard, a victim without a character is an NPC only if its corporation is one.
        (killmails.victim_character_id is null and coalesce(killmails.victim_corporation_id, 0) between 2 and 1999998)
        or not attackers.has_player_attacker as is_npc_zkb
    from {{ ref('stg_killmails') }} as killmails
    inner join attackers on killmails.killmail_id = attackers.killmail_id
    inner join (
        select
            killmail_id,
            {{ isk('zkb_trimmed_destroyed + zkb_trimmed_dropped') }} as total_value,
            zkb_trimmed_hull is not null as is_hull_priced
        from {{ ref('int_killmail_values') }}
        where {{ is_day_to_build('killmail_date') }}
    ) as isk on killmails.killmail_id = isk.killmail_id
    left join items on killmails.killmail_id = items.killmail_id
    left join ganks
        on killmails.killmail_id = ganks.killmail_id and killmails.solar_system_id = ganks.solar_system_id
    left join {{ ref('stg_systems') }} as systems on killmails.solar_system_id = systems.system_id
    left join {{ ref('int_types') }} as hulls on killmails.victim_ship_type_id = hulls.type_id
    where {{ is_to_build('killmails.killmail_time') }}
),

flagged as (
    select
        *,
        not is_npc_zkb
        and coalesce(victim_ship_category_id = {{ ids.ship }}, false)
        and coalesce(victim_ship_group_id not in ({{ ids.capsule }}, {{ ids.shuttle }}, {{ ids.corvette }}), false)
        and attacker_player_count = 1
        and not has_structure_attacker as is_solo_zkb,
        case
            when attacker_character_count > 0 then attacker_character_count = 1
            else attacker_count = 1
        end as is_solo_evekill,
        attacker_character_count = 0 and has_npc_hulls_only as is_npc_evekill,
        not is_npc_zkb
        and coalesce(victim_ship_group_id, 0) not in ({{ ids.corvette }}, {{ ids.capsule }})
        and {{ is_player_corporation('victim_corporation_id') }}
        and coalesce(final_blow_corporation_id = victim_corporation_id, false) as is_awox,
        -- Killmails with equal keys are so alike and close in time that they pad statistics.
        case
            when is_npc_zkb or coalesce(victim_ship_category_id, 0) <> {{ ids.ship }} then null
            when victim_character_id is null then 'unpiloted'
            when victim_ship_group_id = {{ ids.shuttle }}
                then concat_ws(':', victim_character_id, victim_ship_group_id, solar_system_id, {{ utc_slot(3600) }})
            else
                concat_ws(
                    ':', victim_character_id,
                    coalesce(final_blow_character_id, 0),
                    victim_ship_type_id, {{ utc_slot(900) }}
                )
        end as padding_key,
        cast(floor(
            (power(5, victim_size) + danger)
            * least(greatest(danger / 4.0, 0.01), 1)
            / greatest(1, attacker_character_count * greatest(1, attacker_character_count / 2.0))
            * least(greatest(
                power(5, victim_size)
                / greatest(
                    (attacking_size + attacking_pods * power(5, victim_size + 1))
                    / nullif(attacker_character_count, 0),
                    1
                ),
                0.5
            ), 1.2)
        ) as bigint) as unbounded_points
    from facts
)

select
    killmail_id,
    killmail_time,
    killmail_date,
    killmail_hash,
    solar_system_id,
    constellation_id,
    region_id,
    solar_system_security_status,
    victim_character_id,
    victim_corporation_id,
    victim_alliance_id,
    victim_faction_id,
    victim_ship_type_id,
    victim_ship_group_id,
    victim_ship_category_id,
    victim_damage_taken,
    attacker_damage_done,
    attacker_count,
    attacker_character_count,
    attacker_player_count,
    final_blow_character_id,
    final_blow_corporation_id,
    final_blow_alliance_id,
    final_blow_ship_type_id,
    item_row_count,
    war_id,
    moon_id,
    source,
    stored_at,
    total_value,
    is_hull_priced,
    is_npc_zkb,
    is_npc_evekill,
    is_solo_zkb,
    is_solo_evekill,
    is_awox,
    padding_key is not null and (
        padding_key = 'unpiloted'
        or row_number() over (partition by killmail_date, padding_key order by killmail_id) > 2
    ) as is_padding,
    case
        when
            not is_punished
            or war_id is not null
            or is_awox
            or has_concord_attacker
            or coalesce(victim_ship_group_id, 0) = {{ ids.capsule }} then false
        when total_value >= 1000000 then true
        -- The value is at least this: with an unknown hull, it may be a million.
        when is_hull_priced then false
    end as is_ganked,
    is_capital,
    is_structure,
    war_id is not null as is_war,
    case
        when is_npc_zkb or attacker_character_count = 0 or has_structure_attacker then 1
        else greatest(coalesce(unbounded_points, 1), 1)
    end as points
from flagged

{%- set names = {'character_name': ['character', 'character_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['character_id', 'role'], 'unique': true}, {'columns': ['role', 'evidence']},
])) }}

{%- set flown = ['super', 'capital', 'logistics', 'black ops', 'interdictor'] %}
{%- set monitor = 45534 %}
{%- set cynosural_fields = [21096, 28646, 52694] %}

with kills as (
    select
        attackers.character_id,
        attackers.killmail_id,
        attackers.killmail_date,
        attackers.ship_type_id,
        ships.group_id as ship_group_id,
        attackers.security_status,
        attackers.is_ganked,
        coalesce(attackers.solar_system_security_status >= 0.45, false) as is_highsec
    from {{ ref('int_recent_attackers') }} as attackers
    left join {{ ref('int_types') }} as ships on attackers.ship_type_id = ships.type_id
),

losses as (
    select
        killmails.victim_character_id as character_id,
        killmails.killmail_id,
        killmails.killmail_date,
        killmails.killmail_time,
        killmails.solar_system_id,
        killmails.solar_system_security_status,
        killmails.victim_ship_category_id,
        killmails.victim_ship_group_id,
        coalesce(killmails.solar_system_security_status >= 0.45, false) as is_highsec
    from {{ ref('int_killmails') }} as killmails
    cross join {{ ref('int_build') }} as build
    where
        {{ is_of_profiles('killmails.killmail_date') }}
        and not killmails.is_npc_zkb
        and {{ is_player_character('killmails.victim_character_id') }}
),

-- zKillboard's rule, but for losses at stargates, which it leaves out: the static data here has no positions of them.
cheap_losses as (
    select
        losses.character_id,
        losses.killmail_id,
        losses.killmail_date,
        losses.killmail_time,
        losses.solar_system_id,
        killmails.position_x,
        killmails.position_y,
        killmails.position_z
    from losses
    inner join {{ ref('stg_killmails') }} as killmails on losses.killmail_id = killmails.killmail_id
    inner join {{ ref('int_killmail_values') }} as prices on losses.killmail_id = prices.killmail_id
    where
        {{ is_recent('killmails.killmail_time') }}
        and losses.solar_system_security_status < 0.45
        and losses.victim_ship_category_id = {{ eve_ids().ship }}
        and losses.victim_ship_group_id <> {{ eve_ids().capsule }}
        and prices.zkb_trimmed_hull is not null
        and prices.zkb_trimmed_fitted < 10000000
),

baits as (
    select distinct
        cheap_losses.character_id,
        cheap_losses.killmail_id,
        cheap_losses.killmail_date
    from cheap_losses
    inner join {{ ref('stg_killmails') }} as revenge
        on
            cheap_losses.solar_system_id = revenge.solar_system_id
            and cheap_losses.killmail_id < revenge.killmail_id
            and revenge.killmail_time between cheap_losses.killmail_time
            and cheap_losses.killmail_time + interval '300 seconds'
            and revenge.victim_character_id is distinct from cheap_losses.character_id
            and power(revenge.position_x - cheap_losses.position_x, 2)
            + power(revenge.position_y - cheap_losses.position_y, 2)
            + power(revenge.position_z - cheap_losses.position_z, 2) <= power(250000, 2)
    inner join {{ ref('int_killmails') }} as facts on revenge.killmail_id = facts.killmail_id
    where
        {{ is_recent('revenge.killmail_time') }}
        and not facts.is_npc_zkb
        and facts.attacker_count >= 3
        and not exists (
            select 1 from {{ ref('stg_killmail_attackers') }} as attackers
            where
                attackers.killmail_id = revenge.killmail_id
                and attackers.killmail_time = revenge.killmail_time
                and attackers.character_id = cheap_losses.character_id
        )
),

counted as (
    select
        character_id,
        count(distinct killmail_id) as kills,
        count(distinct killmail_id) filter (where is_highsec) as highsec_kills,
        min(killmail_date) as first_date,
        max(killmail_date) as last_date
    from kills
    group by character_id
),

lost as (
    select
        character_id,
        count(*) as losses,
        count(*) filter (where is_highsec) as highsec_losses,
        min(killmail_date) as first_date,
        max(killmail_date) as last_date
    from losses
    group by character_id
),

both_sides as (
    select
        coalesce(counted.character_id, lost.character_id) as character_id,
        coalesce(counted.kills, 0) as kills,
        coalesce(lost.losses, 0) as losses,
        coalesce(counted.highsec_kills, 0) + coalesce(lost.highsec_losses, 0) as highsec_killmails,
        least(counted.first_date, lost.first_date) as first_date,
        greatest(counted.last_date, lost.last_date) as last_date
    from counted
    full outer join lost on counted.character_id = lost.character_id
),

evidence as (
    {%- for role in flown %}
    select
        character_id,
        '{{ role }}' as role,
        count(distinct killmail_id) as evidence,
        min(killmail_date) as first_date,
        max(killmail_date) as last_date,
        true as is_role
    from kills
    where ship_group_id in ({{ hull_groups()[role] | join(', ') }})
    group by character_id

    union all
    {% endfor %}
    select
        character_id,
        'fleet commander' as role,
        count(distinct killmail_id) as evidence,
        min(killmail_date) as first_date,
        max(killmail_date) as last_date,
        count(distinct killmail_id) >= 3 as is_role
    from kills
    where ship_type_id = {{ monitor }}
    group by character_id

    union all

    select
        character_id,
        'ganker' as role,
        count(distinct killmail_id) as evidence,
        min(killmail_date) as first_date,
        max(killmail_date) as last_date,
        count(distinct killmail_id) filter (where is_ganked) >= 10
        or count(distinct killmail_id) filter (where security_status < -5) >= 3 as is_role
    from kills
    where is_ganked or (is_highsec and security_status < -5)
    group by character_id

    union all

    select
        losses.character_id,
        'cyno' as role,
        count(distinct losses.killmail_id) as evidence,
        min(losses.killmail_date) as first_date,
        max(losses.killmail_date) as last_date,
        count(distinct losses.killmail_id) >= 2 as is_role
    from losses
    inner join {{ ref('stg_killmail_items') }} as items on losses.killmail_id = items.killmail_id
    where
        {{ is_recent('items.killmail_time') }}
        and items.flag between 11 and 34
        and items.item_type_id in ({{ cynosural_fields | join(', ') }})
    group by losses.character_id

    union all

    select
        character_id,
        'bait' as role,
        count(*) as evidence,
        min(killmail_date) as first_date,
        max(killmail_date) as last_date,
        count(*) >= 4 as is_role
    from baits
    group by character_id

    union all

    select
        character_id,
        'highsec' as role,
        highsec_killmails as evidence,
        first_date,
        last_date,
        highsec_killmails >= 10 and highsec_killmails >= 0.75 * (kills + losses) as is_role
    from both_sides
    where highsec_killmails > 0

    union all

    select
        both_sides.character_id,
        'newbie' as role,
        both_sides.losses - both_sides.kills as evidence,
        both_sides.first_date,
        both_sides.last_date,
        true as is_role
    from both_sides
    cross join {{ ref('int_build') }} as build
    inner join {{ ref('stg_characters') }} as known on both_sides.character_id = known.character_id
    where both_sides.losses > both_sides.kills and known.birthday > {{ utc_midnight_of('build.as_of - 180') }}
)

{{ with_names('evidence', names) }}

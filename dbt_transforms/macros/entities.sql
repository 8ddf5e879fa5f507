{#- The nine grains of statistics, and the sums and ratios that each of them has. -#}

{% macro entity_kinds() -%}
    {{ return([
        'character', 'corporation', 'alliance', 'faction', 'ship_type', 'ship_group', 'system', 'constellation', 'region',
    ]) }}
{%- endmacro %}

{#- The kinds of which a killmail names the sides: who fights whom, in what, and where. -#}
{% macro player_kinds() -%}
    {{ return(['character', 'corporation', 'alliance']) }}
{%- endmacro %}

{% macro sums() -%}
    {{ return([
        'kills', 'losses', 'ship_kills', 'ship_losses', 'pod_kills', 'pod_losses', 'pvp_kills', 'pvp_losses',
        'solo_kills_zkb', 'solo_losses_zkb', 'solo_kills_evekill', 'solo_losses_evekill',
        'npc_losses_zkb', 'npc_losses_evekill', 'final_blows',
        'points_destroyed', 'points_lost', 'pvp_points_destroyed', 'pvp_points_lost', 'isk_destroyed', 'isk_lost',
        'damage_done', 'damage_taken', 'pilots_on_kills', 'attackers_on_kills', 'gang_size_bounds',
    ]) }}
{%- endmacro %}

{% macro isk_sums() -%}
    {{ return(['isk_destroyed', 'isk_lost']) }}
{%- endmacro %}

{#- Where an entity of a kind stands on a killmail: its column of an attacker and of the victim, or of the place. -#}
{% macro places_of(kind) -%}
    {{ return({
        'character': ['attackers.character_id', 'victim_character_id'],
        'corporation': ['attackers.corporation_id', 'victim_corporation_id'],
        'alliance': ['attackers.alliance_id', 'victim_alliance_id'],
        'faction': ['attackers.faction_id', 'victim_faction_id'],
        'ship_type': ['attackers.ship_type_id', 'victim_ship_type_id'],
        'ship_group': ['ships.group_id', 'victim_ship_group_id'],
        'system': [none, 'solar_system_id'],
        'constellation': [none, 'constellation_id'],
        'region': [none, 'region_id'],
    }[kind]) }}
{%- endmacro %}

{#- A cast sum of one side's killmails. -#}
{% macro _sum(expression, condition=none) -%}
    coalesce(sum({{ expression }}){% if condition %} filter (where {{ condition }}){% endif %}, 0)
{%- endmacro %}

{#- One row a day and entity of a kind: see mart_*_daily. A place has each of its killmails on both sides. -#}
{% macro entity_daily(kind) -%}
{%- set attacker_column, victim_column = places_of(kind) -%}
with killmails as (
    select
        *,
        {{ victim_column }} as entity_id,
        not is_npc_zkb and not is_padding as is_pvp,
        case when is_solo_zkb then 1 else {{ gang_size_bound('attacker_count') }} end as gang_size_bound
    from {{ ref('int_killmails') }}
    where {{ is_to_build('killmail_time') }}
),

{% if attacker_column -%}
attacking as (
    select
        attackers.killmail_id,
        {{ attacker_column }} as entity_id,
        count(*) as pilots,
        sum(attackers.damage_done) as damage_done,
        max(case when attackers.final_blow then 1 else 0 end) as final_blows
    from {{ ref('stg_killmail_attackers') }} as attackers
    {% if kind == 'ship_group' -%}
    inner join {{ ref('int_types') }} as ships on attackers.ship_type_id = ships.type_id
    {% endif -%}
    where {{ is_to_build('attackers.killmail_time') }} and {{ attacker_column }} is not null
    group by attackers.killmail_id, {{ attacker_column }}
),
{%- else -%}
attacking as (
    select
        killmail_id,
        entity_id,
        attacker_count as pilots,
        victim_damage_taken as damage_done,
        1 as final_blows
    from killmails
    where entity_id is not null
),
{%- endif %}

sides as (
    select
        killmails.killmail_date,
        attacking.entity_id,
        true as is_kill,
        attacking.pilots,
        attacking.damage_done,
        attacking.final_blows,
        killmails.attacker_count,
        killmails.gang_size_bound,
        killmails.points,
        killmails.total_value,
        killmails.victim_ship_category_id = 6 and killmails.victim_ship_group_id <> 29 as is_ship,
        killmails.victim_ship_group_id = 29 as is_pod,
        killmails.is_pvp,
        killmails.is_solo_zkb,
        killmails.is_solo_evekill,
        killmails.is_npc_zkb,
        killmails.is_npc_evekill
    from attacking
    inner join killmails on attacking.killmail_id = killmails.killmail_id

    union all

    select
        killmail_date,
        entity_id,
        false as is_kill,
        0 as pilots,
        victim_damage_taken as damage_done,
        0 as final_blows,
        attacker_count,
        gang_size_bound,
        points,
        total_value,
        victim_ship_category_id = 6 and victim_ship_group_id <> 29 as is_ship,
        victim_ship_group_id = 29 as is_pod,
        is_pvp,
        is_solo_zkb,
        is_solo_evekill,
        is_npc_zkb,
        is_npc_evekill
    from killmails
    where entity_id is not null
)

select
    killmail_date,
    entity_id as {{ kind }}_id,
    count(*) filter (where is_kill) as kills,
    count(*) filter (where not is_kill) as losses,
    count(*) filter (where is_kill and is_ship) as ship_kills,
    count(*) filter (where not is_kill and is_ship) as ship_losses,
    count(*) filter (where is_kill and is_pod) as pod_kills,
    count(*) filter (where not is_kill and is_pod) as pod_losses,
    count(*) filter (where is_kill and is_pvp) as pvp_kills,
    count(*) filter (where not is_kill and is_pvp) as pvp_losses,
    count(*) filter (where is_kill and is_solo_zkb) as solo_kills_zkb,
    count(*) filter (where not is_kill and is_solo_zkb) as solo_losses_zkb,
    count(*) filter (where is_kill and is_solo_evekill) as solo_kills_evekill,
    count(*) filter (where not is_kill and is_solo_evekill) as solo_losses_evekill,
    count(*) filter (where not is_kill and is_npc_zkb) as npc_losses_zkb,
    count(*) filter (where not is_kill and is_npc_evekill) as npc_losses_evekill,
    cast({{ _sum('final_blows') }} as bigint) as final_blows,
    cast({{ _sum('points', 'is_kill') }} as bigint) as points_destroyed,
    cast({{ _sum('points', 'not is_kill') }} as bigint) as points_lost,
    cast({{ _sum('points', 'is_kill and is_pvp') }} as bigint) as pvp_points_destroyed,
    cast({{ _sum('points', 'not is_kill and is_pvp') }} as bigint) as pvp_points_lost,
    {{ isk(_sum('total_value', 'is_kill')) }} as isk_destroyed,
    {{ isk(_sum('total_value', 'not is_kill')) }} as isk_lost,
    cast({{ _sum('damage_done', 'is_kill') }} as bigint) as damage_done,
    cast({{ _sum('damage_done', 'not is_kill') }} as bigint) as damage_taken,
    cast({{ _sum('pilots') }} as bigint) as pilots_on_kills,
    cast({{ _sum('attacker_count', 'is_kill') }} as bigint) as attackers_on_kills,
    cast({{ _sum('gang_size_bound', 'is_kill') }} as bigint) as gang_size_bounds
from sides
group by killmail_date, entity_id
{%- endmacro %}

{#- Sums of a daily mart's rows, cast back to what they were. -#}
{% macro summed(prefix='') -%}
    {%- for name in sums() %}
    {{ isk('sum(' ~ prefix ~ name ~ ')') if name in isk_sums() else 'cast(sum(' ~ prefix ~ name ~ ') as bigint)' }} as {{ name }}
    {%- if not loop.last %},{% endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro _ratio(numerator, denominator, digits=4) -%}
    round(cast({{ numerator }} as numeric) / nullif({{ denominator }}, 0), {{ digits }})
{%- endmacro %}

{#- Ratios of sums; absent where there is nothing to divide by. Sources: docs/metrics.md. -#}
{% macro ratios() -%}
    cast({{ _ratio('kills', '(kills + losses)') }} as double precision) as efficiency,
    cast({{ _ratio('isk_destroyed', '(isk_destroyed + isk_lost)') }} as double precision) as isk_efficiency,
    cast({{ _ratio('points_destroyed', '(points_destroyed + points_lost)') }} as double precision) as points_efficiency,
    cast(floor(100 * {{ _ratio(
        '(pvp_kills + pvp_points_destroyed)',
        '(pvp_kills + pvp_points_destroyed + pvp_losses + pvp_points_lost)', 12
    ) }}) as integer) as danger_ratio_zkb,
    cast({{ _ratio('kills', 'losses', 2) }} as double precision) as kill_loss_ratio,
    cast(case
        when kills = 0 then null
        when solo_kills_zkb > 0 then 100 - floor(100.0 * solo_kills_zkb / kills)
        else 100 - least(greatest(floor(cast(points_destroyed as numeric) / kills * 10 / 2), 0), 100)
    end as integer) as gang_ratio_zkb,
    cast({{ _ratio('solo_kills_zkb', 'kills') }} as double precision) as solo_ratio,
    cast({{ _ratio('attackers_on_kills', 'kills', 2) }} as double precision) as average_gang_size,
    cast({{ _ratio('gang_size_bounds', 'kills', 2) }} as double precision) as average_gang_size_zkb
{%- endmacro %}

{#- One row a month and entity, on top of the days. -#}
{% macro entity_monthly(kind) -%}
with monthly as (
    select
        {{ kind }}_id,
        {{ month_of('killmail_date') }} as month,
        {{- summed() }}
    from {{ ref('mart_' ~ kind ~ '_daily') }}
    group by {{ kind }}_id, {{ month_of('killmail_date') }}
)

select
    month,
    {{ kind }}_id,
    {{ sums() | join(',\n    ') }},
    {{ ratios() }}
from monthly
{%- endmacro %}

{#- One row an entity over all of history, on top of the days: only who was on a killmail of a changed day is summed anew.
    What a new map or a new static data export may empty (the few groups, constellations and regions) is summed whole. -#}
{% macro entity_all_time(kind) -%}
{%- do ref('int_changed_days') -%}
with summed as (
    select
        {{ kind }}_id,
        min(killmail_date) as first_date,
        max(killmail_date) as last_date,
        {{- summed() }}
    from {{ ref('mart_' ~ kind ~ '_daily') }}
    {% if is_incremental() and kind not in ['ship_group', 'constellation', 'region'] -%}
    where {{ kind }}_id in (
        select {{ kind }}_id from {{ ref('mart_' ~ kind ~ '_daily') }} where {{ is_day_to_build('killmail_date') }}
    )
    {% endif -%}
    group by {{ kind }}_id
)

select
    {{ kind }}_id,
    first_date,
    last_date,
    {{ sums() | join(',\n    ') }},
    {{ ratios() }}
from summed
{%- endmacro %}

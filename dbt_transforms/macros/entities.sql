{#- The nine kinds of entities that have statistics, and the sums and ratios of each. -#}

{% macro entity_kinds() -%}
    {{ return([
        'character', 'corporation', 'alliance', 'faction', 'ship_type', 'ship_group', 'system', 'constellation', 'region',
    ]) }}
{%- endmacro %}

{#- The kinds that can be victim and attacker, for statistics of opponents, ships and places. -#}
{% macro player_kinds() -%}
    {{ return(['character', 'corporation', 'alliance']) }}
{%- endmacro %}

{#- Every daily sum and its SQL over the sides of killmails, in column order. -#}
{% macro sum_expressions() -%}
    {{ return({
        'kills': 'count(*) filter (where is_kill)',
        'losses': 'count(*) filter (where not is_kill)',
        'ship_kills': 'count(*) filter (where is_kill and is_ship)',
        'ship_losses': 'count(*) filter (where not is_kill and is_ship)',
        'pod_kills': 'count(*) filter (where is_kill and is_pod)',
        'pod_losses': 'count(*) filter (where not is_kill and is_pod)',
        'pvp_kills': 'count(*) filter (where is_kill and is_pvp)',
        'pvp_losses': 'count(*) filter (where not is_kill and is_pvp)',
        'solo_kills_zkb': 'count(*) filter (where is_kill and is_solo_zkb)',
        'solo_losses_zkb': 'count(*) filter (where not is_kill and is_solo_zkb and is_pvp)',
        'pvp_solo_kills': 'count(*) filter (where is_kill and is_solo_zkb and is_pvp)',
        'solo_kills_evekill': 'count(*) filter (where is_kill and is_solo_evekill)',
        'solo_losses_evekill': 'count(*) filter (where not is_kill and is_solo_evekill)',
        'npc_losses_zkb': 'count(*) filter (where not is_kill and is_npc_zkb)',
        'npc_losses_evekill': 'count(*) filter (where not is_kill and is_npc_evekill)',
        'final_blows': _whole('final_blows'),
        'points_destroyed': _whole('points', 'is_kill'),
        'points_lost': _whole('points', 'not is_kill'),
        'pvp_points_destroyed': _whole('points', 'is_kill and is_pvp'),
        'pvp_points_lost': _whole('points', 'not is_kill and is_pvp'),
        'isk_destroyed': isk(_sum('total_value', 'is_kill')),
        'isk_lost': isk(_sum('total_value', 'not is_kill')),
        'pvp_isk_destroyed': isk(_sum('total_value', 'is_kill and is_pvp')),
        'pvp_isk_lost': isk(_sum('total_value', 'not is_kill and is_pvp')),
        'unpriced_kills': 'count(*) filter (where is_kill and not is_hull_priced)',
        'unpriced_losses': 'count(*) filter (where not is_kill and not is_hull_priced)',
        'damage_done': _whole('damage_done', 'is_kill'),
        'damage_taken': _whole('damage_done', 'not is_kill'),
        'pilots_on_kills': _whole('pilots'),
        'attackers_on_kills': _whole('attacker_count', 'is_kill'),
        'gang_size_bounds': _whole('gang_size_bound', 'is_kill'),
        'gang_size_kills': 'count(gang_size_bound) filter (where is_kill)',
    }) }}
{%- endmacro %}

{#- The names of the sums. -#}
{% macro sums() -%}
    {{ return(sum_expressions().keys() | list) }}
{%- endmacro %}

{% macro isk_sums() -%}
    {{ return(['isk_destroyed', 'isk_lost', 'pvp_isk_destroyed', 'pvp_isk_lost']) }}
{%- endmacro %}

{#- The columns that contain an entity kind: that of attackers (none for places), and that of the victim or place. -#}
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

{#- The sum of an expression over one side's killmails, 0 without any. -#}
{% macro _sum(expression, condition=none) -%}
    coalesce(sum({{ expression }}){% if condition %} filter (where {{ condition }}){% endif %}, 0)
{%- endmacro %}

{#- The same sum as a whole number. -#}
{% macro _whole(expression, condition=none) -%}
    cast({{ _sum(expression, condition) }} as bigint)
{%- endmacro %}

{#- One row per day and entity of a kind: see mart_*_daily. A place has each of its killmails on both sides. -#}
{% macro entity_daily(kind) -%}
{%- set attacker_column, victim_column = places_of(kind) -%}
{%- set ids = eve_ids() -%}
with killmails as (
    select
        *,
        {{ victim_column }} as entity_id,
        not is_npc_zkb and not is_padding as is_pvp,
        -- zKillboard leaves lone attackers who are not solo out of its gang sizes: label #:1.
        case
            when is_npc_zkb or is_padding then null
            when is_solo_zkb then 1
            when attacker_count > 1 then {{ gang_size_bound('attacker_count') }}
        end as gang_size_bound
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
        attacker_damage_done as damage_done,
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
        killmails.is_hull_priced,
        killmails.victim_ship_category_id = {{ ids.ship }} and killmails.victim_ship_group_id <> {{ ids.capsule }} as is_ship,
        killmails.victim_ship_group_id = {{ ids.capsule }} as is_pod,
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
        is_hull_priced,
        victim_ship_category_id = {{ ids.ship }} and victim_ship_group_id <> {{ ids.capsule }} as is_ship,
        victim_ship_group_id = {{ ids.capsule }} as is_pod,
        is_pvp,
        is_solo_zkb,
        is_solo_evekill,
        is_npc_zkb,
        is_npc_evekill
    from killmails
    where entity_id is not null
),

daily as (
    select
        killmail_date,
        entity_id as {{ kind }}_id,
        {%- for name, expression in sum_expressions().items() %}
        {{ expression }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from sides
    group by killmail_date, entity_id
)

{{ with_names('daily', name_of_entity(kind)) }}
{%- endmacro %}

{#- The name that the marts of a kind store: see with_names. -#}
{% macro name_of_entity(kind) -%}
    {{ return({'entity_name': [kind, kind ~ '_id']}) }}
{%- endmacro %}

{#- Sums over a daily mart's rows, cast to the types of its columns. -#}
{% macro summed(prefix='') -%}
    {%- for name in sums() %}
    {{ isk('sum(' ~ prefix ~ name ~ ')') if name in isk_sums() else 'cast(sum(' ~ prefix ~ name ~ ') as bigint)' }} as {{ name }}
    {%- if not loop.last %},{% endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro _ratio(numerator, denominator, digits=4) -%}
    round(cast({{ numerator }} as numeric) / nullif({{ denominator }}, 0), {{ digits }})
{%- endmacro %}

{#- Every ratio of sums and its SQL; null where the denominator is 0. Sources: docs/metrics.md. -#}
{% macro ratio_expressions() -%}
    {{ return({
        'efficiency': _share('kills', 'losses'),
        'efficiency_zkb': _share('pvp_kills', 'pvp_losses'),
        'isk_efficiency': _share('isk_destroyed', 'isk_lost'),
        'isk_efficiency_zkb': _share('pvp_isk_destroyed', 'pvp_isk_lost'),
        'points_efficiency': _share('points_destroyed', 'points_lost'),
        'points_efficiency_zkb': _share('pvp_points_destroyed', 'pvp_points_lost'),
        'danger_ratio_zkb': _danger_ratio_zkb(),
        'kill_loss_ratio': _ratio('kills', 'losses', 2),
        'gang_ratio_zkb': _gang_ratio_zkb(),
        'solo_ratio_zkb': 'coalesce(' ~ _ratio('100.0 * pvp_solo_kills', 'gang_size_kills', 1) ~ ', 0)',
        'solo_ratio_evekill': _ratio('solo_kills_evekill', 'kills'),
        'average_gang_size': _ratio('attackers_on_kills', 'kills', 2),
        'average_gang_size_zkb': 'coalesce(' ~ _ratio('gang_size_bounds', 'gang_size_kills', 1) ~ ', 0)',
    }) }}
{%- endmacro %}

{#- What was destroyed, of what was destroyed and lost. -#}
{% macro _share(destroyed, lost) -%}
    {{ _ratio(destroyed, '(' ~ destroyed ~ ' + ' ~ lost ~ ')') }}
{%- endmacro %}

{#- In floating point, as zKillboard rounds it down: 29 of 100 are 28. -#}
{% macro _danger_ratio_zkb() -%}
    floor(
        cast(pvp_kills + pvp_points_destroyed as double precision)
        / nullif(pvp_kills + pvp_points_destroyed + pvp_losses + pvp_points_lost, 0) * 100
    )
{%- endmacro %}

{% macro _gang_ratio_zkb() -%}
    case
        when pvp_kills = 0 then null
        when solo_kills_zkb > 0
            then 100 - floor(100 * (cast(solo_kills_zkb as double precision) / pvp_kills))
        else greatest(0, least(
            100, 100 - floor(cast(pvp_points_destroyed as double precision) / pvp_kills * 10 / 2)
        ))
    end
{%- endmacro %}

{#- Ratios that are percentages, as integers from 0 to 100; all others are doubles. -#}
{% macro percentages() -%}
    {{ return(['danger_ratio_zkb', 'gang_ratio_zkb']) }}
{%- endmacro %}

{% macro ratios() -%}
    {%- for name, expression in ratio_expressions().items() %}
    cast({{ expression }} as {{ 'integer' if name in percentages() else 'double precision' }}) as {{ name }}
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- One row per month and entity, from the daily mart. -#}
{% macro entity_monthly(kind) -%}
with monthly as (
    select
        {{ kind }}_id,
        {{ month_of('killmail_date') }} as month,
        {{- summed() }}
    from {{ ref('mart_' ~ kind ~ '_daily') }}
    group by {{ kind }}_id, {{ month_of('killmail_date') }}
),

with_ratios as (
    select
        month,
        {{ kind }}_id,
        {{ sums() | join(',\n        ') }},
        {{ ratios() }}
    from monthly
)

{{ with_names('with_ratios', name_of_entity(kind)) }}
{%- endmacro %}

{#- One row per entity over all of history, from the daily mart: only entities with a killmail on a changed day are
    summed again. The few groups, constellations and regions are always summed, because new static data can leave one
    without killmails. -#}
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
),

with_ratios as (
    select
        {{ kind }}_id,
        first_date,
        last_date,
        {{ sums() | join(',\n        ') }},
        {{ ratios() }}
    from summed
)

{{ with_names('with_ratios', name_of_entity(kind)) }}
{%- endmacro %}

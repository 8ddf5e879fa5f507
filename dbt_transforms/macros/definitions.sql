{#- Definitions that several models share, named after their source (docs/metrics.md). -#}

{#- Ids of EVE's static data that definitions use. Those of players and of Jita's region are also in
    killreport_assets/models/ids.py; a test checks that they are equal. -#}
{% macro eve_ids() -%}
    {{ return({
        'last_npc_character': 3999999,
        'last_npc_corporation': 1999999,
        'concord': 1000125,
        'the_forge': 10000002,
        'ship': 6,
        'module': 7,
        'charge': 8,
        'drone': 18,
        'entity': 11,
        'structure': 65,
        'structure_module': 66,
        'skin': 91,
        'capsule': 29,
        'titan': 30,
        'shuttle': 31,
        'corvette': 237,
        'supercarrier': 659,
        'mordunium': 4513,
        'griemeer': 4759,
        'customs_office': 2233,
        'golden_capsule_implant': 33329,
        'mining_laser': 54,
        'drone_damage_module': 645,
    }) }}
{%- endmacro %}

{#- Groups of hulls by what they are made for. -#}
{% macro hull_groups() -%}
    {{ return({
        'super': [30, 659],
        'capital': [485, 547, 883, 1538, 4594],
        'logistics': [832, 1527],
        'electronic warfare': [833, 906, 893],
        'black ops': [898],
        'interdictor': [541, 894],
        'mining': [463, 543],
        'hauling': [28, 380, 513, 902],
    }) }}
{%- endmacro %}

{#- Condition: the id is a player character's; like zKillboard, every id above the NPCs' range. -#}
{% macro is_player_character(character_id) -%}
    (coalesce({{ character_id }}, 0) > {{ eve_ids().last_npc_character }})
{%- endmacro %}

{#- Condition: the id is a player corporation's. -#}
{% macro is_player_corporation(corporation_id) -%}
    (coalesce({{ corporation_id }}, 0) > {{ eve_ids().last_npc_corporation }})
{%- endmacro %}

{#- Condition: the entity of a kind that is in a column is a player's; every alliance is. -#}
{% macro is_player_entity(kind, entity_id) -%}
    case {{ kind }}
        when 'character' then {{ is_player_character(entity_id) }}
        when 'corporation' then {{ is_player_corporation(entity_id) }}
        else true
    end
{%- endmacro %}

{#- Condition: a row has an entity of this kind, and it is a player's. -#}
{% macro has_player_entity(kind, entity_id) -%}
    ({{ entity_id }} is not null and {{ is_player_entity("'" ~ kind ~ "'", entity_id) }})
{%- endmacro %}

{#- The slot of an inventory flag. -#}
{% macro slot(flag) -%}
    case
        when {{ flag }} = 0 then 'unknown'
        when {{ flag }} = 5 then 'cargo'
        when {{ flag }} between 11 and 18 then 'low'
        when {{ flag }} between 19 and 26 then 'mid'
        when {{ flag }} between 27 and 34 then 'high'
        when {{ flag }} = 87 then 'drone bay'
        when {{ flag }} = 89 then 'implant'
        when {{ flag }} between 92 and 99 then 'rig'
        when {{ flag }} between 125 and 132 then 'subsystem'
        when {{ flag }} = 155 then 'fleet hangar'
        when {{ flag }} = 158 then 'fighter bay'
        when {{ flag }} between 159 and 163 then 'fighter tube'
        when {{ flag }} between 164 and 171 then 'structure service'
        when {{ flag }} = 172 then 'structure fuel'
        when {{ flag }} = 179 then 'frigate escape bay'
        else 'other'
    end
{%- endmacro %}

{#- Condition: zKillboard counts the flag as fitted. Before May 2012 all flags are 0, which count as fitted
    here. -#}
{% macro is_fitted_zkb(flag, parent_index) -%}
    (
        {{ parent_index }} is null
        and (
            {{ flag }} in (0, 87, 89, 158, 172)
            or {{ flag }} between 11 and 34
            or {{ flag }} between 92 and 99
            or {{ flag }} between 125 and 132
            or {{ flag }} between 159 and 163
        )
    )
{%- endmacro %}

{#- The price method of every number that names none. -#}
{% macro default_price_method() -%}
    {{ return('zkb_trimmed') }}
{%- endmacro %}

{#- The price methods. -#}
{% macro price_methods() -%}
    {{ return(['zkb_trimmed', 'forge_average', 'esi_average']) }}
{%- endmacro %}

{#- The lower bound of zKillboard's label for the number of attackers. -#}
{% macro gang_size_bound(attacker_count) -%}
    case
        when {{ attacker_count }} >= 1000 then 1000
        when {{ attacker_count }} >= 100 then 100
        when {{ attacker_count }} >= 50 then 50
        when {{ attacker_count }} >= 25 then 25
        when {{ attacker_count }} >= 10 then 10
        when {{ attacker_count }} >= 5 then 5
        when {{ attacker_count }} >= 2 then 2
        else 1
    end
{%- endmacro %}

{#- A hull's size, the exponent in zKillboard's points: its rig size, at least 1; Tech III as a cruiser's. -#}
{% macro hull_size(hulls) -%}
    case
        when {{ hulls }}.group_id = 963 then 2
        else greatest(coalesce({{ hulls }}.rig_size, 1), 1)
    end
{%- endmacro %}

{#- The number of the time slot of this length that contains the killmail. -#}
{% macro utc_slot(seconds) -%}
    cast(floor(extract(epoch from killmail_time) / {{ seconds }}) as bigint)
{%- endmacro %}

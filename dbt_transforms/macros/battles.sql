{#- Battles: killreport_assets/battles finds their killmails and sides; models sum what was flown, shot and lost. -#}

{#- The party of a victim or an attacker; null for NPCs. The same as in killreport_assets/store/battles.py. -#}
{% macro battle_party(prefix) -%}
    case
        when {{ prefix }}alliance_id is not null then {{ prefix }}alliance_id
        when {{ is_player_corporation(prefix ~ 'corporation_id') }} then {{ prefix }}corporation_id
        when {{ is_player_character(prefix ~ 'character_id') }}
            then coalesce({{ prefix }}faction_id, {{ prefix }}character_id)
    end
{%- endmacro %}

{#- Condition: a time is within the battles to build. As literals, so that other partitions are not read. -#}
{% macro is_in_battle_to_build(time_column) -%}
    {%- do ref('int_changed_days') -%}
    {%- if not execute or not builds_days() -%}
    true
    {%- else -%}
    (false
        {%- for row in run_query(
            "select min(started_at), max(ended_at) from " ~ source('derived', 'battles') ~ " where "
            ~ in_changed_days('killmail_date') ~ " group by killmail_date order by killmail_date"
        ).rows %}
        or {{ time_column }} between cast('{{ row[0] }}' as timestamp with time zone)
        and cast('{{ row[1] }}' as timestamp with time zone)
        {%- endfor %})
    {%- endif -%}
{%- endmacro %}

{#- Condition: a group of ships that repair others: logistics cruisers and frigates. -#}
{% macro is_logistics(group_id) -%}
    coalesce({{ group_id }} in ({{ hull_groups()['logistics'] | join(', ') }}), false)
{%- endmacro %}

{#- Condition: a group of ships that disrupt others: recons, electronic attack ships, interdictors of both sizes. -#}
{% macro is_electronic_warfare(group_id) -%}
    coalesce({{ group_id }} in (
        {{ (hull_groups()['electronic warfare'] + hull_groups()['interdictor']) | join(', ') }}
    ), false)
{%- endmacro %}

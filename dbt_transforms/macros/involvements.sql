{#-
    The sides of the killmails to build, for entities of these kinds: one row per killmail, entity and side, with its
    counts. For the marts by month.
-#}
{% macro involvements(kinds) -%}
    {%- for kind in kinds %}
    {%- set attacker_column, victim_column = places_of(kind) %}
    {% if attacker_column -%}
    select
        attackers.killmail_id,
        '{{ kind }}' as entity_kind,
        {{ attacker_column }} as entity_id,
        true as is_kill,
        count(*) as pilots,
        sum(attackers.damage_done) as damage_done,
        bool_or(attackers.final_blow) as has_final_blow
    from {{ ref('stg_killmail_attackers') }} as attackers
    where {{ is_to_build('attackers.killmail_time', months=true) }} and {{ attacker_column }} is not null
    group by attackers.killmail_id, {{ attacker_column }}
    {%- else -%}
    select
        killmail_id,
        '{{ kind }}' as entity_kind,
        {{ victim_column }} as entity_id,
        true as is_kill,
        attacker_count as pilots,
        attacker_damage_done as damage_done,
        true as has_final_blow
    from {{ ref('int_killmails') }}
    where {{ is_to_build('killmail_time', months=true) }} and {{ victim_column }} is not null
    {%- endif %}

    union all

    select
        killmail_id,
        '{{ kind }}' as entity_kind,
        {{ victim_column }} as entity_id,
        false as is_kill,
        0 as pilots,
        victim_damage_taken as damage_done,
        false as has_final_blow
    from {{ ref('int_killmails') }}
    where {{ is_to_build('killmail_time', months=true) }} and {{ victim_column }} is not null
    {% if not loop.last -%}union all{%- endif %}
    {%- endfor %}
{%- endmacro %}

{{ config(tags=['nightly'], unique_key='killmail_date', indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'character_id', 'killmail_date'], 'unique': true},
    {'columns': ['killmail_date']},
])) }}

with seen as (
    select
        killmails.killmail_date,
        attackers.character_id,
        attackers.corporation_id,
        attackers.alliance_id,
        killmails.solar_system_id as system_id,
        killmails.region_id
    from {{ ref('stg_killmail_attackers') }} as attackers
    inner join {{ ref('int_killmails') }} as killmails on attackers.killmail_id = killmails.killmail_id
    where
        {{ is_to_build('attackers.killmail_time') }}
        and not killmails.is_npc_zkb
        and {{ is_player_character('attackers.character_id') }}

    union all

    select
        killmail_date,
        victim_character_id as character_id,
        victim_corporation_id as corporation_id,
        victim_alliance_id as alliance_id,
        solar_system_id as system_id,
        region_id
    from {{ ref('int_killmails') }}
    where
        {{ is_to_build('killmail_time') }}
        and not is_npc_zkb
        and {{ is_player_character('victim_character_id') }}
)

{% for kind in ['corporation', 'alliance', 'system', 'region'] %}
select distinct
    killmail_date,
    '{{ kind }}' as entity_kind,
    {{ kind }}_id as entity_id,
    character_id
from seen
where {{ has_player_entity(kind, kind ~ '_id') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}

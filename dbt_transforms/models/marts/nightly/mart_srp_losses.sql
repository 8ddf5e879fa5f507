{%- set names = {
    'entity_name': ['entity_kind', 'entity_id'],
    'character_name': ['character', 'character_id'],
    'ship_type_name': ['ship_type', 'ship_type_id'],
} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id', 'killmail_id'], 'unique': true}, {'columns': ['character_id']},
])) }}

with losses as (
    {% for kind in ['corporation', 'alliance'] %}
    select
        '{{ kind }}' as entity_kind,
        killmails.victim_{{ kind }}_id as entity_id,
        killmails.killmail_id,
        killmails.killmail_time,
        killmails.killmail_date,
        killmails.victim_character_id as character_id,
        killmails.victim_ship_type_id as ship_type_id,
        killmails.region_id,
        killmails.total_value,
        killmails.is_hull_priced,
        fits.fit_id,
        fits.family_id
    from {{ ref('int_killmails') }} as killmails
    cross join {{ ref('int_build') }} as build
    left join {{ ref('int_killmail_fits') }} as fits on killmails.killmail_id = fits.killmail_id
    where
        {{ is_of_profiles('killmails.killmail_date') }}
        and {{ is_recent('killmails.killmail_time') }}
        and not killmails.is_npc_zkb
        and killmails.victim_ship_category_id = {{ eve_ids().ship }}
        and coalesce(killmails.victim_ship_group_id, 0) <> {{ eve_ids().capsule }}
        and {{ is_player_character('killmails.victim_character_id') }}
        and {{ has_player_entity(kind, 'killmails.victim_' ~ kind ~ '_id') }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

-- Sessions of one entity and region are more than half an hour apart: a loss is in one at most.
in_sessions as (
    select
        losses.*,
        sessions.session_id
    from losses
    left join {{ ref('mart_fleet_sessions') }} as sessions
        on
            losses.entity_kind = sessions.entity_kind
            and losses.entity_id = sessions.entity_id
            and losses.region_id = sessions.region_id
            and losses.killmail_time >= sessions.started_at - interval '15 minutes'
            and losses.killmail_time < sessions.ended_at + interval '15 minutes'
),

attacked as (
    select distinct
        entity_kind,
        entity_id,
        session_id,
        character_id
    from {{ ref('int_fleet_pilots') }}
),

judged as (
    select
        in_sessions.entity_kind,
        in_sessions.entity_id,
        in_sessions.killmail_id,
        in_sessions.killmail_time,
        in_sessions.killmail_date,
        in_sessions.character_id,
        in_sessions.ship_type_id,
        in_sessions.fit_id,
        in_sessions.family_id,
        in_sessions.session_id,
        doctrines.family_id is not null as is_doctrine,
        attacked.character_id is not null as has_attacked_with_fleet,
        in_sessions.session_id is not null
        and row_number() over (
            partition by
                in_sessions.entity_kind, in_sessions.entity_id, in_sessions.session_id, in_sessions.character_id
            order by in_sessions.killmail_time, in_sessions.killmail_id
        ) > 1 as is_further_loss,
        in_sessions.total_value,
        in_sessions.is_hull_priced
    from in_sessions
    left join {{ ref('mart_doctrines') }} as doctrines
        on
            in_sessions.entity_kind = doctrines.entity_kind
            and in_sessions.entity_id = doctrines.entity_id
            and in_sessions.family_id = doctrines.family_id
            and {{ month_of('in_sessions.killmail_date') }} = doctrines.month
    left join attacked
        on
            in_sessions.entity_kind = attacked.entity_kind
            and in_sessions.entity_id = attacked.entity_id
            and in_sessions.session_id = attacked.session_id
            and in_sessions.character_id = attacked.character_id
)

{{ with_names('judged', names) }}

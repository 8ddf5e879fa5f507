{%- set names = {'entity_name': ['entity_kind', 'entity_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'entity_id'], 'unique': true},
])) }}

{%- set at_least = 20 %}

with kills as (
    {% for kind in ['corporation', 'alliance'] %}
    select
        '{{ kind }}' as entity_kind,
        {{ kind }}_id as entity_id,
        killmail_id,
        killmail_time,
        count(distinct character_id) as pilots
    from {{ ref('int_recent_attackers') }}
    where {{ has_player_entity(kind, kind ~ '_id') }}
    group by {{ kind }}_id, killmail_id, killmail_time
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

summed as (
    select
        entity_kind,
        entity_id,
        count(*) as kills,
        {%- for band in time_zones() %}
        cast(count(*) filter (where {{ is_in_time_zone(band, 'killmail_time') }}) as double precision) / count(*)
            as {{ band }}_share,
        {%- endfor %}
        count(*) filter (where pilots >= {{ var('fleet_pilots') }}) as fleet_kills
        {%- for band in time_zones() %},
        cast(count(*) filter (
            where pilots >= {{ var('fleet_pilots') }} and {{ is_in_time_zone(band, 'killmail_time') }}
        ) as double precision)
        / nullif(count(*) filter (where pilots >= {{ var('fleet_pilots') }}), 0) as fleet_{{ band }}_share
        {%- endfor %}
    from kills
    group by entity_kind, entity_id
),

zones as (
    select
        *,
        case
            when kills < {{ at_least }} then null
            {%- for band in time_zones() %}
            when {{ band }}_share > 0.5 then '{{ band }}'
            {%- endfor %}
        end as primary_time_zone,
        case
            when fleet_kills < {{ at_least }} then null
            {%- for band in time_zones() %}
            when fleet_{{ band }}_share > 0.5 then '{{ band }}'
            {%- endfor %}
        end as fleet_primary_time_zone
    from summed
)

{{ with_names('zones', names) }}

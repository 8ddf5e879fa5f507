{#- Names of entities: where they come from, and how they get into marts and stay current there. -#}

{#- Names that were resolved in bulk: one row per entity of the kind that has no body yet. -#}
{% macro names_without_body(kind, bodies) -%}
    {{ source('raw', 'entity_names') }} as bulk_names
    where
        bulk_names.entity_kind = '{{ kind }}'
        and bulk_names.name is not null
        and not exists (
            select 1 from {{ source('raw', bodies) }} as known
            where known.{{ kind }}_id = bulk_names.entity_id
        )
{%- endmacro %}

{#- The name in the body, or the one resolved in bulk while the body has none. -#}
{% macro name_of(kind) -%}
    coalesce(bodies.name, (
        select bulk_names.name from {{ source('raw', 'entity_names') }} as bulk_names
        where bulk_names.entity_kind = '{{ kind }}' and bulk_names.entity_id = bodies.{{ kind }}_id
    ))
{%- endmacro %}

{#- By kind of entity: the model that has its names, the key and the column. ship_type is every item type. -#}
{% macro name_columns() -%}
    {{ return({
        'character': ['stg_characters', 'character_id', 'character_name'],
        'corporation': ['stg_corporations', 'corporation_id', 'corporation_name'],
        'alliance': ['stg_alliances', 'alliance_id', 'alliance_name'],
        'faction': ['stg_factions', 'faction_id', 'faction_name'],
        'ship_type': ['stg_types', 'type_id', 'type_name'],
        'ship_group': ['stg_groups', 'group_id', 'group_name'],
        'system': ['stg_systems', 'system_id', 'system_name'],
        'constellation': ['stg_constellations', 'constellation_id', 'constellation_name'],
        'region': ['stg_regions', 'region_id', 'region_name'],
    }) }}
{%- endmacro %}

{#- The name of an entity, looked up at query time and only if it is read: names arrive after the killmail. -#}
{% macro looked_up_name(kind, id) -%}
    {%- set model, key, column = name_columns()[kind] -%}
    {{ looked_up(column, model, key, id) }}
{%- endmacro %}

{#- When and where a killmail was and what was lost, for the facts of which it has many rows. They join int_killmails as
    `killmails`, and have killmail_time from raw: by it PostgreSQL leaves partitions out. -#}
{% macro of_the_killmail() -%}
    killmails.killmail_date,
    {{ utc_weekday('killmails.killmail_time') }} as weekday,
    {{ utc_hour('killmails.killmail_time') }} as hour,
    killmails.solar_system_id,
    {{ looked_up_name('system', 'killmails.solar_system_id') }} as solar_system_name,
    killmails.region_id,
    {{ looked_up_name('region', 'killmails.region_id') }} as region_name,
    killmails.victim_ship_type_id,
    {{ looked_up_name('ship_type', 'killmails.victim_ship_type_id') }} as victim_ship_name
{%- endmacro %}

{#- A column of another model's row with this key, looked up at query time. -#}
{% macro looked_up(column, model, key, id) -%}
    (select known.{{ column }} from {{ ref(model) }} as known where known.{{ key }} = {{ id }})
{%- endmacro %}

{#- The rows of a CTE with the names that a mart stores: {name column: [kind of entity or the column that has it, id
    column]}. The mart has the same dictionary as meta.names, so that keep_names finds it. -#}
{% macro with_names(rows, names) -%}
    {%- do ref('int_renamed') -%}
    select
        {{ rows }}.*
        {%- for column in names %},
        {{ column }}_of.entity_name as {{ column }}
        {%- endfor %}
    from {{ rows }}
    {%- for column, (kind, id) in names.items() %}
    left join {{ ref('int_names') }} as {{ column }}_of
        on
            {{ _kind(kind, rows) }} = {{ column }}_of.entity_kind
            and {{ rows }}.{{ id }} = {{ column }}_of.entity_id
    {%- endfor %}
{%- endmacro %}

{#- Hook of every mart: names that came or changed since the last build of its cadence, written to all of its days. -#}
{% macro keep_names() -%}
    {%- set names = model.config.meta.get('names', {}) if execute and not should_full_refresh() else {} -%}
    {%- for column, (kind, id) in names.items() -%}
        update {{ this }} as mart
        set {{ column }} = renamed.entity_name
        from {{ relation_of('int_renamed') }} as renamed
        where
            renamed.cadence = '{{ cadence() }}'
            and renamed.entity_kind = {{ _kind(kind, 'mart') }}
            and renamed.entity_id = mart.{{ id }}
            and mart.{{ column }} is distinct from renamed.entity_name;
    {%- endfor -%}
{%- endmacro %}

{#- A kind as a literal, or the column that has it. -#}
{% macro _kind(kind, rows) -%}
    {{ "'" ~ kind ~ "'" if kind in name_columns() else rows ~ '.' ~ kind }}
{%- endmacro %}

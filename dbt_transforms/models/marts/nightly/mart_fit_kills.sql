{%- set names = {'ship_type_name': ['ship_type', 'ship_type_id']} %}
{{ config(unique_key=none, incremental_strategy='replace_all', meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['fit_id'], 'unique': true}, {'columns': ['ship_type_id', 'kills_inferred_zkb']},
])) }}

-- A pilot's hull is fitted as it was when it was lost next: newest first, a loss opens a group of the kills before it.
with events as (
    select
        character_id,
        ship_type_id,
        killmail_time,
        killmail_id,
        false as is_loss,
        bool_or(final_blow) as final_blow,
        is_solo_zkb or attacker_count = 1 as is_solo,
        attacker_count,
        total_value,
        is_hull_priced
    from {{ ref('int_recent_attackers') }}
    where not is_padding and victim_ship_category_id = {{ eve_ids().ship }} and ship_type_id is not null
    group by
        character_id, ship_type_id, killmail_time, killmail_id, is_solo_zkb, attacker_count, total_value, is_hull_priced

    union all

    select
        killmails.victim_character_id as character_id,
        killmails.victim_ship_type_id as ship_type_id,
        killmails.killmail_time,
        killmails.killmail_id,
        true as is_loss,
        false as final_blow,
        false as is_solo,
        killmails.attacker_count,
        killmails.total_value,
        killmails.is_hull_priced
    from {{ ref('int_killmails') }} as killmails
    cross join {{ ref('int_build') }} as build
    where
        {{ is_of_profiles('killmails.killmail_date') }}
        and not killmails.is_npc_zkb
        and not killmails.is_padding
        and killmails.victim_ship_category_id = {{ eve_ids().ship }}
        and {{ is_player_character('killmails.victim_character_id') }}
),

numbered as (
    select
        *,
        count(*) filter (where is_loss) over (
            partition by character_id, ship_type_id order by killmail_time desc, killmail_id desc
            rows between unbounded preceding and current row
        ) as loss_number
    from events
),

losses as (
    select
        numbered.character_id,
        numbered.ship_type_id,
        numbered.loss_number,
        fits.fit_id
    from numbered
    inner join {{ ref('int_killmail_fits') }} as fits on numbered.killmail_id = fits.killmail_id
    where numbered.is_loss
),

by_fit as (
    select
        losses.fit_id,
        min(losses.ship_type_id) as ship_type_id,
        count(kills.killmail_id) as kills_inferred_zkb,
        cast(coalesce(sum(1.0 / greatest(kills.attacker_count, 1)), 0) as double precision)
            as weighted_kills_inferred_zkb,
        count(*) filter (where kills.final_blow) as final_blows_inferred_zkb,
        count(*) filter (where kills.is_solo) as solo_kills_inferred_zkb,
        {{ isk('coalesce(sum(kills.total_value), 0)') }} as isk_destroyed,
        count(*) filter (where not kills.is_hull_priced) as unpriced_kills,
        count(distinct losses.character_id) as pilots
    from losses
    inner join numbered as kills
        on
            losses.character_id = kills.character_id
            and losses.ship_type_id = kills.ship_type_id
            and losses.loss_number = kills.loss_number
            and not kills.is_loss
    group by losses.fit_id
)

{{ with_names('by_fit', names) }}

{%- set names = {'attacker_name': ['entity_kind', 'attacker_id'], 'victim_name': ['entity_kind', 'victim_id']} %}
{{ config(meta={'names': names}, indexes=postgres_indexes([
    {'columns': ['entity_kind', 'attacker_id', 'month', 'victim_id'], 'unique': true},
    {'columns': ['entity_kind', 'victim_id']}, {'columns': ['month']},
])) }}

with sides as ({{ involvements(player_kinds()) }}),

attacking as (
    select
        *,
        -- The main party is the player party with the most damage; NPCs lead only where there is none.
        row_number() over (
            partition by killmail_id, entity_kind
            order by {{ is_player_entity('entity_kind', 'entity_id') }} desc, damage_done desc, pilots desc, entity_id
        ) = 1 as is_main_party
    from sides
    where is_kill
),

kills_of as (
    select
        {{ month_of('killmails.killmail_date') }} as month,
        attacking.entity_kind,
        attacking.entity_id as attacker_id,
        victims.entity_id as victim_id,
        count(*) as kills,
        count(*) filter (where attacking.is_main_party) as kills_as_main_party,
        count(*) filter (where not attacking.is_main_party) as kills_as_third_party,
        count(*) filter (where attacking.has_final_blow) as final_blows,
        {{ isk('sum(killmails.total_value)') }} as isk_destroyed,
        count(*) filter (where not killmails.is_hull_priced) as unpriced_kills
    from attacking
    inner join sides as victims
        on
            attacking.killmail_id = victims.killmail_id
            and attacking.entity_kind = victims.entity_kind
            and not victims.is_kill
            and attacking.entity_id <> victims.entity_id
    inner join {{ ref('int_killmails') }} as killmails on attacking.killmail_id = killmails.killmail_id
    group by 1, 2, 3, 4
),

between_two as (
    select
        kills_of.*,
        coalesce(answers.kills, 0) as losses,
        {{ isk('coalesce(answers.isk_destroyed, 0)') }} as isk_lost,
        coalesce(answers.unpriced_kills, 0) as unpriced_losses,
        {{ isk('kills_of.isk_destroyed - coalesce(answers.isk_destroyed, 0)') }} as net_isk
    from kills_of
    left join kills_of as answers
        on
            kills_of.month = answers.month
            and kills_of.entity_kind = answers.entity_kind
            and kills_of.attacker_id = answers.victim_id
            and kills_of.victim_id = answers.attacker_id
)

{{ with_names('between_two', names) }}

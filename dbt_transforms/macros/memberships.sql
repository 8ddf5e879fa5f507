{#- Two CTEs over `rows` of pilots' killmails: `numbered` has the number of the unbroken run of one corporation and alliance
    that a row belongs to, counted in each partition. -#}
{% macro numbered_runs(rows, partition, order) -%}
with_former as (
    select
        *,
        lag(corporation_id) over in_order as former_corporation_id,
        lag(alliance_id) over in_order as former_alliance_id
    from {{ rows }}
    window in_order as (partition by {{ partition }} order by {{ order }})
),

numbered as (
    select
        *,
        count(*) filter (
            where
                corporation_id is distinct from former_corporation_id
                or alliance_id is distinct from former_alliance_id
        ) over (
            partition by {{ partition }} order by {{ order }}
            rows between unbounded preceding and current row
        ) as run_number
    from with_former
)
{%- endmacro %}

{{ config(materialized='table') }}

-- What this build can see at least: changes that are committed later are for the next one.
select
    {{ current_snapshot() }} as snapshot,
    '{{ invocation_id }}' as invocation_id,
    {{ as_of() }} as as_of

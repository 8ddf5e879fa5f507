{{ config(materialized='table') }}

-- What this build can see at least: whatever is committed later is for the next one.
select
    {{ current_snapshot() }} as snapshot,
    {{ as_of() }} as as_of

{{ config(materialized='table') }}

-- The snapshot that this build sees at least; changes committed later are left to the next build.
select
    {{ current_snapshot() }} as snapshot,
    '{{ invocation_id }}' as invocation_id,
    {{ as_of() }} as as_of

select
    cadence,
    snapshot,
    as_of,
    built_at
from {{ source('ops', 'transform_builds') }}

select
    cadence,
    snapshot,
    as_of,
    definitions,
    built_at
from {{ source('ops', 'transform_builds') }}

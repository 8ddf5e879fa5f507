{{ config(materialized='table', post_hook="{{ analyze_this() }}") }}

-- A name is renamed until a build of the cadence has succeeded: what a failed build left out, the next one writes.
select
    cadences.cadence,
    names.entity_kind,
    names.entity_id,
    names.entity_name
from {{ ref('int_names') }} as names
cross join (
    select 'frequent' as cadence
    union all
    select 'nightly' as cadence
) as cadences
left join {{ ref('stg_transform_builds') }} as builds on cadences.cadence = builds.cadence
where builds.snapshot is null or not {{ is_seen('names.named_in', 'builds.snapshot') }}

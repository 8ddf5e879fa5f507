select
    meta_group_id,
    name as meta_group_name
from {{ source('raw', 'meta_groups') }}

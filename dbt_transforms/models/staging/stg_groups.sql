select
    group_id,
    name as group_name,
    category_id,
    published as is_published
from {{ source('raw', 'groups') }}

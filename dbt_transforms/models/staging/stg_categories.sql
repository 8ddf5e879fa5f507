select
    category_id,
    name as category_name,
    published as is_published
from {{ source('raw', 'categories') }}

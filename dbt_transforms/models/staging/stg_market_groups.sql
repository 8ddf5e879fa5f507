select
    market_group_id,
    name as market_group_name,
    parent_group_id
from {{ source('raw', 'market_groups') }}

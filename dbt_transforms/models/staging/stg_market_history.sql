select
    region_id,
    type_id,
    date as traded_on,
    average,
    highest,
    lowest,
    order_count,
    volume
from {{ source('raw', 'market_history') }}

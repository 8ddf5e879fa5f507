select
    type_id,
    observed_on,
    average_price,
    adjusted_price
from {{ source('raw', 'market_prices') }}

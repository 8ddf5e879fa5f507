select
    type_id,
    observed_on,
    {{ isk('average_price') }} as average_price,
    {{ isk('adjusted_price') }} as adjusted_price
from {{ source('raw', 'market_prices') }}

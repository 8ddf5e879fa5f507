select
    killmail_id,
    killmail_time,
    {{ utc_date('killmail_time') }} as killmail_date,
    item_index,
    parent_index,
    item_type_id,
    flag,
    singleton,
    quantity_destroyed,
    quantity_dropped
from {{ source('raw', 'killmail_items') }}

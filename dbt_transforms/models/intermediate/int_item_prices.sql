{{ config(materialized='view') }}

{% for method, is_fallback in [
    ('zkb_trimmed', 'is_zkb_trimmed_fallback'), ('forge_average', 'false'), ('esi_average', 'is_esi_average_fallback'),
] %}
select
    killmail_date,
    price_date,
    type_id,
    '{{ method }}' as price_method,
    {{ method }} as price,
    {{ method }}_date as date_used,
    price_date - {{ method }}_date as age_days,
    {{ is_fallback }} as is_fallback
from {{ ref('int_day_prices') }}
where {{ method }} is not null
{% if not loop.last %}union all{% endif %}
{% endfor %}

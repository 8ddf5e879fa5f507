{{ config(materialized='table', post_hook="{{ analyze_changed_months() }}") }}

select
    cadence,
    killmail_date
from {{ ref('int_days_to_build') }}
where is_now

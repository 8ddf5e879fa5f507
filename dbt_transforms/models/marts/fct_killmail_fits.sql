select
    fits.killmail_id,
    fits.killmail_date,
    fits.ship_type_id,
    {{ looked_up_name('ship_type', 'fits.ship_type_id') }} as ship_type_name,
    fits.fit_id,
    fits.family_id,
    fits.module_count
from {{ ref('int_killmail_fits') }} as fits

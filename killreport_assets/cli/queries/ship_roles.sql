-- What hulls are used for: those of whose losses most had the modules of a role, of at least three losses.
select
    coalesce(ship_type_name, cast(ship_type_id as text)) as ship,
    role,
    losses_with_modules,
    fitted_losses,
    round(cast(share_of_losses as numeric), 2) as share_of_losses
from marts.mart_ship_roles
where fitted_losses >= 3 and role <> 'tackle'
order by share_of_losses desc, losses_with_modules desc, 1
limit 20

{{ entity_monthly('ship_group') }}

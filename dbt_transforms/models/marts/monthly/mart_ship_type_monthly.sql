{{ entity_monthly('ship_type') }}

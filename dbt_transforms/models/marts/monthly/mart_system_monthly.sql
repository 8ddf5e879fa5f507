{{ entity_monthly('system') }}

{{ entity_monthly('constellation') }}

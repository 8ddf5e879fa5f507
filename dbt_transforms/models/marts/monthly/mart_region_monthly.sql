{{ entity_monthly('region') }}

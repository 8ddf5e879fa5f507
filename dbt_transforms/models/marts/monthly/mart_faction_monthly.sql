{{ entity_monthly('faction') }}

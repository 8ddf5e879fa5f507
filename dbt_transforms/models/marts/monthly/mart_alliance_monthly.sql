{{ entity_monthly('alliance') }}

{{ entity_monthly('corporation') }}

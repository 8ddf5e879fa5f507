{{ entity_monthly('character') }}

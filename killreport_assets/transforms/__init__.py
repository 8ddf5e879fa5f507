"""The dbt code location: the only part that imports dagster_dbt, so that nothing else pays for it."""

"""The dbt code location: the only package that imports dagster_dbt, which is slow to import."""

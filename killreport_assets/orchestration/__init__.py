"""All that imports Dagster but the dbt code location: assets, ops, jobs, schedules, sensors, checks, resources."""

"""Everything that imports Dagster, except the dbt code location: assets, ops, jobs, schedules, sensors, checks."""

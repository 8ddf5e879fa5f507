"""Asset checks of raw tables, lineage, dead letters and users; dbt's tests are checks in the dbt code location."""

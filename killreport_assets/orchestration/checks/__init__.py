"""Asset checks over the raw tables and the queues; dbt's tests are checks of their own."""

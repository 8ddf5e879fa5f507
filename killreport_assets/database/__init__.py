"""Connections to PostgreSQL: engines, the embedded server, migrations, locks. Tables and queries are in store/."""

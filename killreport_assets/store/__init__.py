"""What is kept in PostgreSQL: tables, the killmail writer, entities, lineage, migrations. Never imports dagster."""

"""Tables and queries: the killmail writer, entities, lineage. Migrations are in database/. Never imports dagster."""

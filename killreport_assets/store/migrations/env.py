"""Alembic's entry: runs on the connection that `store.migrate` hands over."""

from alembic import context

from killreport_assets.store import columns, statistics_tables, tables, user_tables  # noqa: F401 - all tables are in the one metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=columns.metadata,
    version_table_schema="ops",
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()

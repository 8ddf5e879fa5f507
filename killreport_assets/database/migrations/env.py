"""Alembic's entry: runs on the connection that the caller hands over; the tables too, when it compares them."""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes.get("metadata"),
    version_table_schema="ops",
    include_schemas=True,
    include_name=attributes.get("include_name"),
)
with context.begin_transaction():
    context.run_migrations()

"""Alembic's entry point: runs on the caller's connection, and compares with the caller's tables if any are passed."""

from alembic import context
from sqlalchemy.engine import Connection, Engine


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),
        version_table_schema="ops",
        include_schemas=True,
        include_name=context.config.attributes.get("include_name"),
    )
    with context.begin_transaction():
        context.run_migrations()


bind = context.config.attributes["connection"]
if isinstance(bind, Engine):
    with bind.begin() as opened:
        _run(opened)
else:
    _run(bind)

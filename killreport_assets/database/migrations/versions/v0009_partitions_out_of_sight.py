"""The monthly partitions of killmails in a schema of their own: a user who lists `raw` sees three tables."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("create schema if not exists partitions")
    partitions = op.get_bind().execute(
        sa.text("""
            select child.relname
            from pg_inherits
            join pg_class child on child.oid = inhrelid
            join pg_namespace n on n.oid = child.relnamespace
            where n.nspname = 'raw' and child.relkind = 'r'
        """)
    )
    for name in partitions.scalars().all():
        op.execute(f'alter table raw."{name}" set schema partitions')

"""The migrations: one head, they upgrade an empty database, and they create what the schema declares."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from pytest_alembic.tests import test_model_definitions_match_ddl as test_the_migrations_create_what_is_declared
from pytest_alembic.tests import test_single_head_revision as test_there_is_one_head
from pytest_alembic.tests import test_upgrade as test_an_empty_database_is_upgraded_to_the_head
from sqlalchemy.engine import Engine, make_url

from killreport_assets.database.engine import make_engine
from killreport_assets.database.migrate import SCHEMAS
from killreport_assets.database.migrate import alembic_config as config_of
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.schema import statistics, tables, users
from killreport_assets.store.schema.columns import metadata
from killreport_assets_testing.databases import Databases

__all__ = [
    "test_an_empty_database_is_upgraded_to_the_head",
    "test_the_migrations_create_what_is_declared",
    "test_there_is_one_head",
]


@pytest.fixture
def alembic_engine(databases: Databases) -> Iterator[Engine]:
    """An empty database with the schemas that `migrate` creates."""
    with databases.named() as name:
        engine = make_engine(make_url(databases.url(name)))
        with engine.begin() as connection:
            for schema in SCHEMAS:
                connection.execute(sa.text(f"create schema {schema}"))
        yield engine
        engine.dispose()


@pytest.fixture
def alembic_config() -> Config:
    """Alembic's configuration, with the declared tables."""
    config = config_of()
    config.attributes["metadata"] = metadata
    config.attributes["include_name"] = lambda name, kind, _parents: kind != "schema" or name in SCHEMAS
    return config


def test_partitions_of_an_older_database_move_out_of_sight(alembic_engine: Engine) -> None:
    with alembic_engine.begin() as connection:
        command.upgrade(config_of(connection), "0008")
        for name in ("killmails", "killmail_items"):
            connection.exec_driver_sql(
                f"create table raw.{name}_2024_12 partition of raw.{name} "
                "for values from ('2024-12-01 00:00+00') to ('2025-01-01 00:00+00')"
            )
        command.upgrade(config_of(connection), "head")
        partitions = connection.exec_driver_sql("""
            select c.relnamespace::regnamespace::text, c.relname from pg_class c
            where c.relispartition and c.relkind = 'r' order by 2
        """)
        assert [tuple(row) for row in partitions] == [
            ("partitions", "killmail_items_2024_12"),
            ("partitions", "killmails_2024_12"),
        ]
    month = datetime(2024, 12, 31, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    assert ensure_months(alembic_engine, month) == [
        "killmail_attackers_2024_12",
        *(f"{name}_2025_01" for name in ("killmail_attackers", "killmail_items", "killmails")),
    ]


def test_every_module_of_the_schema_is_in_the_one_metadata() -> None:
    for table in (tables.killmails, tables.syncs, users.sign_ins, statistics.market_history):
        assert metadata.tables[table.fullname] is table

"""The migrations: one head, they upgrade an empty database, and they create what the schema declares."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.config import Config
from pytest_alembic.tests import test_model_definitions_match_ddl as test_the_migrations_create_what_is_declared
from pytest_alembic.tests import test_single_head_revision as test_there_is_one_head
from pytest_alembic.tests import test_upgrade as test_an_empty_database_is_upgraded_to_the_head
from sqlalchemy.engine import Engine, make_url

from killreport_assets.database.engine import make_engine
from killreport_assets.database.migrate import SCHEMAS
from killreport_assets.database.migrate import alembic_config as config_of
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


def test_every_module_of_the_schema_is_in_the_one_metadata() -> None:
    for table in (tables.killmails, tables.syncs, users.sign_ins, statistics.market_history):
        assert metadata.tables[table.fullname] is table

"""The dbt project over a test's database, run in this process: dbt is parsed once for all builds."""

import json
import os
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from sqlalchemy.engine import Connection, Engine

from killreport_assets.battles.refresh import refresh_battles
from killreport_assets.ingest.static_data import blueprint_materials
from killreport_assets.models.ids import THE_FORGE
from killreport_assets.sandbox.services.sde import sde_blueprint
from killreport_assets.sandbox.world import World
from killreport_assets.store.battles import replace_stargates
from killreport_assets.store.entities import upsert
from killreport_assets.store.market import replace_blueprint_materials
from killreport_assets.store.schema.columns import metadata
from killreport_assets.transforms.project import PROJECT, build_arguments, dbt_environment

BUILT = "select table_schema, table_name from information_schema.tables where table_schema in ('intermediate', 'marts')"
NOT_COMPARED = {"int_build", "int_changed_days", "int_days_to_build", "int_names", "int_renamed", "int_fit_modules"}
"""What a build says of itself, and when; and fits that no killmail has any more, which no mart shows."""

STATIC = ("categories", "groups", "market_groups", "meta_groups", "regions", "constellations", "systems", "factions")


def market_row(day: date, type_id: int, average: float | Decimal | None, region_id: int = THE_FORGE) -> dict[str, Any]:
    """A row of market history that has an average and nothing else."""
    blank = dict.fromkeys(("highest", "lowest", "order_count", "volume", "observed_at"))
    return blank | {"date": day, "region_id": region_id, "type_id": type_id, "average": average}


def load_static(connection: Connection, world: World) -> None:
    """The sandbox's static data but for its types, straight into the tables."""
    for name in STATIC:
        upsert(connection, metadata.tables[f"raw.{name}"], world.static[name])
    replace_stargates(connection, world.static["stargates"])
    replace_blueprint_materials(connection, blueprint_materials(map(sde_blueprint, world.static["blueprints"])))


class Warehouse:
    """Builds the models and reads what came out."""

    def __init__(self, engine: Engine, folder: Path, marts_from: date | None = None) -> None:
        self.engine = engine
        self._marts_from = marts_from
        self._home = folder
        self._folders = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]

    @cached_property
    def _manifest(self) -> Manifest:
        """The parsed project. No variable has a part in it: they are read where SQL is compiled."""
        parsed = dbtRunner().invoke(["parse", *self._folders])
        assert isinstance(parsed.result, Manifest), parsed.exception
        return parsed.result

    def dbt(self, *arguments: str) -> Any:
        """Run dbt and return its results; a failure of any node fails the test, with what dbt says."""
        os.environ.update(dbt_environment(self.engine.url, self._home, self._marts_from) | {"DBT_QUIET": "true"})
        fresh: Manifest = self._manifest.deepcopy()  # type: ignore[no-untyped-call]  # a build writes into it
        done = dbtRunner(fresh).invoke([*arguments, *self._folders])
        failed = [
            f"{r.node.name}: {r.message}"
            for r in getattr(done.result, "results", None) or []
            if r.status not in {"success", "pass", "no-op"}
        ]
        assert done.success, failed or done.exception
        return done.result

    def build(self, *arguments: str, is_nightly: bool = True, is_tested: bool = True, **variables: str) -> Any:
        """Build as a run in Dagster does, with further variables; without its tests to save time."""
        refresh_battles(self.engine)
        chosen = build_arguments(is_nightly=is_nightly)
        chosen = chosen if is_tested else [*chosen[:3], "--exclude-resource-type", "test", *chosen[3:]]
        if "--vars" in chosen:
            variables["tests"] = "changed"
            del chosen[chosen.index("--vars") :]
        return self.dbt(*chosen, "--vars", json.dumps(variables), *arguments)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Every row."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def contents(self) -> dict[str, str]:
        """A digest of every table and view that dbt builds, in any order of its rows."""
        digests = {}
        for schema, name in self.rows(BUILT):
            if name not in NOT_COMPARED:
                query = f"select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {schema}.{name} t"
                [(digests[f"{schema}.{name}"],)] = self.rows(query)
        return digests

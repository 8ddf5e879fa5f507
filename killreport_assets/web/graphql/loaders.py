"""What a request reads, put together: one statement for all killmails or entities of a kind that a query mentions."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from aiodataloader import DataLoader
from sqlalchemy.engine import Connection, Engine, RowMapping
from starlette.concurrency import run_in_threadpool

from killreport_assets.web import fits, killmails, statistics
from killreport_assets.web.entities import KINDS, Kind, dimension_rows

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Reads:
    """The reads of one request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.killmails = self._one_each(_killmails)
        self.attackers = self._many_each(killmails.attackers_of)
        self.items = self._many_each(killmails.items_of)
        self.values = self._many_each(killmails.values_of)
        self.zkillboard = self._one_each(
            lambda connection, ids: {row["killmail_id"]: row for row in killmails.zkillboard_of(connection, ids)}
        )
        self.fits = self._one_each(fits.of_killmails)
        self.enrichments = self._many_each(statistics.enrichments_of)
        self._entities = {name: self._one_each(_dimension(kind)) for name, kind in KINDS.items()}
        self._totals = {name: self._one_each(_totals(kind)) for name, kind in KINDS.items()}

    async def run(self, read: Callable[[Connection], Value]) -> Value:
        """Read something in a thread."""

        def reading() -> Value:
            with self._engine.connect() as connection:
                return read(connection)

        return await run_in_threadpool(reading)

    async def entity(self, kind: Kind, entity_id: int) -> RowMapping | None:
        """An entity's row of its dimension."""
        row: RowMapping | None = await self._entities[kind.name].load(entity_id)
        return row

    async def totals(self, kind: Kind, entity_id: int) -> RowMapping | None:
        """An entity's all-time numbers."""
        row: RowMapping | None = await self._totals[kind.name].load(entity_id)
        return row

    def _one_each(self, read: Callable[[Connection, Sequence[int]], dict[int, Any]]) -> "DataLoader[int, Any]":
        async def load(keys: list[int]) -> list[Any]:
            found = await self.run(lambda connection: read(connection, keys))
            return [found.get(key) for key in keys]

        return DataLoader(load)

    def _many_each(
        self, read: Callable[[Connection, Sequence[int]], list[RowMapping]]
    ) -> "DataLoader[int, list[RowMapping]]":
        async def load(keys: list[int]) -> list[list[RowMapping]]:
            found: dict[int, list[RowMapping]] = {key: [] for key in keys}
            for row in await self.run(lambda connection: read(connection, keys)):
                found[row["killmail_id"]].append(row)
            return [found[key] for key in keys]

        return DataLoader(load)


def _killmails(connection: Connection, ids: Sequence[int]) -> dict[int, Any]:
    filters = killmails.Filters(killmail_ids=tuple(ids))
    return {row["killmail_id"]: row for row in killmails.find(connection, filters, len(ids))}


def _dimension(kind: Kind) -> Callable[[Connection, Sequence[int]], dict[int, Any]]:
    return lambda connection, ids: dict(dimension_rows(connection, kind, ids))


def _totals(kind: Kind) -> Callable[[Connection, Sequence[int]], dict[int, Any]]:
    return lambda connection, ids: statistics.totals_of(connection, kind, ids)

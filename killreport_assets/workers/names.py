"""Names in bulk: pending entities are named first, so that the tables are readable before the bodies are fetched."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.engine import Engine

from killreport_assets.database.locks import Lock, try_advisory_lock
from killreport_assets.database.migrate import writing
from killreport_assets.esi.bulk import BulkAnswer, ask_in_bulk
from killreport_assets.esi.client import IDS_AT_ONCE, EsiClient
from killreport_assets.esi.models import Name
from killreport_assets.store.names import EntityName, unnamed, write_names

log = logging.getLogger(__name__)
KINDS = {"alliance": "alliance", "corporation": "corporation", "character": "character", "inventory_type": "type"}
"""Kinds of entities by ESI's category."""
CALLS_AT_ONCE = 4


@dataclass
class NamesReport:
    """Counts of one run."""

    named: int = 0
    unnameable: int = 0
    stopped_by: str | None = None


def resolve_names(engine: Engine, esi: EsiClient) -> NamesReport:
    """Name every pending entity that has no name yet; does nothing while another process resolves names.

    A service failure stops it early (`stopped_by`): the bodies contain the names too, later.
    """
    report = NamesReport()
    with try_advisory_lock(engine, Lock.NAMES) as held:
        if held is None:
            report.stopped_by = "another process resolves names"
            return report
        while _resolve_some(engine, esi, report):
            pass
    if report.stopped_by:
        log.warning("not all names were resolved: %s", report.stopped_by)
    return report


def _resolve_some(engine: Engine, esi: EsiClient, report: NamesReport) -> bool:
    """Resolve a few thousand names; False when there is nothing left to resolve."""
    with engine.connect() as connection:
        wanted = unnamed(connection, CALLS_AT_ONCE * IDS_AT_ONCE)
    by_id: dict[int, list[str]] = {}
    for kind, id_ in wanted:
        by_id.setdefault(id_, []).append(kind)
    ids = list(by_id)
    batches = [ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)]
    asked = 0
    with ThreadPoolExecutor(CALLS_AT_ONCE, "names") as pool:
        for batch, answer in zip(batches, pool.map(lambda b: ask_in_bulk(esi.names, b), batches), strict=True):
            names = _names(batch, answer, by_id)
            with writing(engine) as connection:
                write_names(connection, names)
            named = sum(name.name is not None for name in names)
            report.named += named
            report.unnameable += len(names) - named
            asked += len(names)
            report.stopped_by = report.stopped_by or answer.stopped_by
    return asked > 0 and report.stopped_by is None


def _names(batch: Sequence[int], answer: BulkAnswer[Name], by_id: dict[int, list[str]]) -> list[EntityName]:
    """Return a row for every kind under which an id is pending; without a name where ESI has another category."""
    names = {(KINDS.get(element.category), element.id): element.name for element in answer.elements}
    left = set(answer.left)
    return [EntityName(kind, id_, names.get((kind, id_))) for id_ in batch if id_ not in left for kind in by_id[id_]]

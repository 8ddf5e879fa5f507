"""Affiliations in bulk: the current affiliations of known characters, kept as history."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Engine

from killreport_assets.database.migrate import writing
from killreport_assets.esi.bulk import ask_in_bulk
from killreport_assets.esi.client import IDS_AT_ONCE, EsiClient
from killreport_assets.models.ids import EntityKind
from killreport_assets.store.affiliations import (
    CharacterAffiliation,
    copy_to_characters,
    outdated_characters,
    record_affiliations,
)
from killreport_assets.store.entities import mark_stale
from killreport_assets.store.lineage import request

log = logging.getLogger(__name__)


@dataclass
class AffiliationsReport:
    """Counts of one refresh."""

    looked_up: int = 0
    changed: int = 0
    refused: int = 0
    stopped_by: str | None = None


def refresh_affiliations(engine: Engine, esi: EsiClient, ttl: timedelta) -> AffiliationsReport:
    """Look up every known character whose affiliation is older than `ttl`; a refused id does not affect the others.

    A service failure stops it early (`stopped_by`); the next refresh continues with the rest.
    """
    report, after = AffiliationsReport(), 0
    while True:
        with engine.connect() as connection:
            ids = outdated_characters(connection, ttl, after, IDS_AT_ONCE)
        if not ids:
            return report
        after = ids[-1]
        asked_at = datetime.now(UTC)
        answer = ask_in_bulk(esi.affiliations, ids)
        seen = [
            CharacterAffiliation(e.character_id, e.corporation_id, e.alliance_id, e.faction_id) for e in answer.elements
        ]
        with writing(engine) as connection:
            report.changed += record_affiliations(connection, seen, asked_at)
            copy_to_characters(connection, seen)
            # Refused characters are most likely deleted: their own route confirms it.
            mark_stale(connection, EntityKind.CHARACTER, answer.refused)
            request(connection, EntityKind.CHARACTER, answer.refused)
        report.looked_up += len(seen)
        report.refused += len(answer.refused)
        if answer.stopped_by:
            report.stopped_by = answer.stopped_by
            log.warning("not all affiliations were looked up: %s", answer.stopped_by)
            return report

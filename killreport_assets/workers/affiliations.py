"""Affiliations in bulk: where known characters belong today, kept as history."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Engine

from killreport_assets.esi.bulk import ask_in_bulk
from killreport_assets.esi.client import IDS_AT_ONCE, EsiClient
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
    """What came of it."""

    looked_up: int = 0
    changed: int = 0
    refused: int = 0
    stopped_by: str | None = None


def refresh_affiliations(engine: Engine, esi: EsiClient, ttl: timedelta) -> AffiliationsReport:
    """Look up every known character whose affiliation is older than `ttl`; one that ESI refuses costs only itself.

    A service that fails ends it early (`stopped_by`); the next time goes on with the rest.
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
        with engine.begin() as connection:
            report.changed += record_affiliations(connection, seen, asked_at)
            copy_to_characters(connection, seen)
            mark_stale(connection, "character", answer.refused)  # deleted, most likely: their own route says so
            request(connection, "character", answer.refused)
        report.looked_up += len(seen)
        report.refused += len(answer.refused)
        if answer.stopped_by:
            report.stopped_by = answer.stopped_by
            log.warning("affiliations are not all looked up: %s", answer.stopped_by)
            return report

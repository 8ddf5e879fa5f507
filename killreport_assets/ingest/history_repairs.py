"""Repairing days of EVE's history: killmails that zKillboard's list of a day names, and that are not stored.

Their bodies come from zKillboard where it has them, else from ESI by id and hash, behind all that is urgent. Archives
are in history.py, what a feed owes by number in feed.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.engine import Engine

from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.migrate import writing
from killreport_assets.http.errors import Gone, ServiceError, Throttled
from killreport_assets.ingest.loader import LoadReport, written_facts
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sources.r2z2_history import R2z2History
from killreport_assets.store.history import (
    HistoryDay,
    changed_since_counted,
    count_stored,
    history_days,
    record_totals,
    request_missing,
    settle_missing,
)
from killreport_assets.store.killmails import WriteReport, write_killmails
from killreport_assets.store.stored_killmails import known_killmails

SOURCE = "zkillboard"
RECENT_DAYS = 35
"""The newest days of zKillboard's totals, which are counted in any case."""
BODIES_FROM = 20
"""Missing killmails of a day from which on its bodies are asked for in one request, instead of each on ESI."""


@dataclass(frozen=True)
class HistoryRepairs:
    """Compares days with zKillboard's lists, and gets what is missing."""

    lists: R2z2History
    days: Sequence[date] | None = None
    """None: every day that was loaded from an archive, or of which a killmail is stored."""

    def load(self, engine: Engine) -> LoadReport:
        """Compare the days; one that fails does not affect the others."""
        try:
            totals = self.lists.totals()
        except Throttled as throttled:
            return LoadReport(waiting=str(throttled))
        except ServiceError as error:
            return LoadReport(problems=[str(error)])
        problems: list[str] = []
        written = WriteReport()
        named = requested = 0
        days = self._incomplete(engine, totals)
        for day in days:
            if is_stopping():
                break
            try:
                missing = _not_stored(engine, self.lists.killmails(day))
                named += len(missing)
                if len(missing) >= BODIES_FROM:
                    written.add(self._write_bodies(engine, day, missing))
                    missing = _not_stored(engine, missing)
            except Throttled as throttled:
                return LoadReport(written_facts(written), problems, str(throttled))
            except ServiceError as error:
                problems.append(f"{day}: {error}")
                continue
            with writing(engine) as connection:
                requested += request_missing(connection, day, missing)
                count_stored(connection, [day])
        with writing(engine) as connection:
            lost = settle_missing(connection)
        facts: dict[str, int | str] = {
            "days compared": len(totals if self.days is None else self.days),
            "days with missing": len(days),
        }
        facts |= {"named by zKillboard alone": named, "requested from ESI": requested, "missing for good": lost}
        return LoadReport({**facts, **written_facts(written)}, problems)

    def _incomplete(self, engine: Engine, totals: Mapping[date, int]) -> list[date]:
        """The days of which zKillboard has more than is stored, newest first; counted again where that is unclear."""
        with writing(engine) as connection:
            record_totals(connection, "zkillboard", totals)
            if not totals:
                return []
            first, last = min(totals), max(totals)
            # The feed's days have no loading; what changed on them is forgotten when dbt has built it.
            count_stored(connection, {*changed_since_counted(connection), *sorted(totals)[-RECENT_DAYS:]})
            days = history_days(connection, first, last)
            unclear = [day for day in self._chosen(days) if day in totals and days[day].stored < totals[day]]
            counts = count_stored(connection, unclear)
        return [day for day in sorted(unclear, reverse=True) if counts[day] < totals[day]]

    def _chosen(self, days: Mapping[date, HistoryDay]) -> list[date]:
        if self.days is not None:
            return [day for day in self.days if day in days]
        return [day for day, known in days.items() if known.loaded_at is not None or known.stored]

    def _write_bodies(self, engine: Engine, day: date, missing: Mapping[int, str]) -> WriteReport:
        try:
            bodies = self.lists.bodies(day)
        except Gone:
            return WriteReport()
        wanted = [KillmailBody(bodies[id_].body, hash_, id_) for id_, hash_ in sorted(missing.items()) if id_ in bodies]
        return write_killmails(engine, wanted, SOURCE)


def _not_stored(engine: Engine, listed: Mapping[int, str]) -> dict[int, str]:
    """Those of a list's killmails, by id with their hash, that are not stored."""
    with engine.connect() as connection:
        stored = known_killmails(connection, list(listed))
    return {killmail_id: hash_ for killmail_id, hash_ in listed.items() if killmail_id not in stored}

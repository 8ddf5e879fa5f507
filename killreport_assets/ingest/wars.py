"""Loading wars: from EVE Ref's archives, and from ESI those that are new or go on.

A war's killmails that are not stored are counted, and requested from ESI only if that is asked for: the archives of
2003 to today name millions of them, and EVE Ref's daily killmail archives have the bodies.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.engine import Engine

from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.migrate import writing
from killreport_assets.esi import routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import ServiceError, Throttled
from killreport_assets.ingest.loader import MAX_PROBLEMS, LoadReport
from killreport_assets.models.ids import KILLMAIL
from killreport_assets.models.war import War, WarAlly
from killreport_assets.sources.war_archives import ArchivedWar, NamedKillmail, WarArchives
from killreport_assets.store import lineage
from killreport_assets.store.schema.columns import Row
from killreport_assets.store.stored_killmails import known_killmails
from killreport_assets.store.versions import read_versions, write_version
from killreport_assets.store.wars import due_wars, write_wars

ARCHIVE_SOURCE = "everef_wars"
REQUESTS_A_LOAD = 300
"""A sixth of what ESI gives in 15 minutes: killmails share the token bucket."""
NEWS_AFTER = timedelta(hours=6)
"""A war that goes on is fetched again after this time."""
ArchiveFacts = dict[str, int | str]


@dataclass(frozen=True)
class WarArchiveLoader:
    """Loads the archives with these names, or the newest, that changed since they were read."""

    archives: WarArchives
    available: Mapping[str, str]
    """What `archives.available()` found."""
    names: Sequence[str] | None = None
    newest: int = 7
    """Without `names`: the number of newest archives; 0: every archive."""
    request_killmails: bool = False
    """Whether to request from ESI what the archives name and is not stored."""
    on_archive: Callable[[str, ArchiveFacts], None] = lambda _name, _facts: None
    """Called after each archive that was read, with its counts."""

    def load(self, engine: Engine) -> LoadReport:
        """Load the archives, newest first; one that fails does not affect the others."""
        wanted = [*self.available]
        if self.names is not None:
            wanted = [name for name in self.names if name in self.available]
        if self.names is None and self.newest:
            wanted = wanted[-self.newest :]
        with engine.connect() as connection:
            versions = read_versions(connection, ARCHIVE_SOURCE)
        missing = [name for name in self.names or () if name not in self.available]
        report = LoadReport(problems=[f"{name}: there is no such archive (yet)" for name in missing])
        counts = Counter[str]({"archives read": 0})
        for name in sorted(wanted, reverse=True):
            if is_stopping():
                break
            try:
                facts = self._load_archive(engine, name, self.available[name], versions.get(name))
            except ServiceError as error:
                report.problems.append(f"{name}: {error}")
                continue
            if facts is not None:
                counts.update({"archives read": 1} | facts)
                self.on_archive(name, {**facts})
        report.facts = {"archives asked for": len(wanted), **counts}
        return report

    def _load_archive(self, engine: Engine, name: str, path: str, known: str | None) -> dict[str, int] | None:
        """Load one archive in one transaction; None if it has not changed."""
        remote = self.archives.look(path)
        if remote.etag and remote.etag == known:
            return None
        wars: dict[int, ArchivedWar] = {}
        hashes: dict[int, str] = {}
        malformed = 0
        for member in self.archives.read(remote):
            match member:
                case ArchivedWar():
                    wars[member.war.id] = member
                case NamedKillmail():
                    hashes[member.killmail_id] = member.killmail_hash
                case _:
                    malformed += 1
        # What an archive says is not newer than the end of its day or year.
        written_at = datetime.combine(archive_span(name)[1], time.max, UTC)
        rows = [_row(archived.war, "everef", archived.observed_at or written_at) for archived in wars.values()]
        with writing(engine) as connection:
            write_wars(connection, rows, {war_id: _allies(one.war) for war_id, one in wars.items()})
            stored = known_killmails(connection, list(hashes))
            missing = {killmail_id: hash_ for killmail_id, hash_ in hashes.items() if killmail_id not in stored}
            requested = 0
            if self.request_killmails and missing:
                requested = lineage.request(connection, KILLMAIL, list(missing), hashes=missing)
            write_version(connection, ARCHIVE_SOURCE, name, remote.etag)
        return {
            "wars": len(wars),
            "malformed": malformed,
            "killmails named": len(hashes),
            "killmails not stored": len(missing),
            "killmails requested": requested,
        }


@dataclass(frozen=True)
class WarRefresh:
    """Fetches from ESI the wars that are new, and those that go on."""

    esi: EsiClient
    limit: int = REQUESTS_A_LOAD
    """The most wars to fetch at once; the others are fetched the next time."""

    def load(self, engine: Engine) -> LoadReport:
        """Fetch them one by one; one that fails does not affect the others."""
        report = LoadReport({"wars listed": 0, "wars fetched": 0})
        try:
            listed = self.esi.ids(routes.WARS)
            report.facts["wars listed"] = len(listed)
            with engine.connect() as connection:
                due = due_wars(connection, listed, NEWS_AFTER, self.limit)
            fetched = 0
            for war_id in due:
                if is_stopping() or len(report.problems) >= MAX_PROBLEMS:
                    break
                fetched += self._fetch(engine, war_id, report.problems)
                report.facts["wars fetched"] = fetched
        except Throttled as throttled:
            report.waiting = str(throttled)
        except ServiceError as error:
            report.problems.append(str(error))
        return report

    def _fetch(self, engine: Engine, war_id: int, problems: list[str]) -> bool:
        """Fetch and store one war; what ESI has of it is stored at once.

        Raises:
            Throttled: ESI asks to wait.
        """
        try:
            war = self.esi.fetch(routes.WAR, War, war_id).body
        except Throttled:
            raise
        except ServiceError as error:
            problems.append(f"war {war_id}: {error}")
            return False
        if war is None:
            return False
        with writing(engine) as connection:
            write_wars(connection, [_row(war, "esi", datetime.now(UTC))], {war.id: _allies(war)})
        return True


def archive_span(name: str) -> tuple[date, date]:
    """The first and last day of an archive: a year or a day."""
    if "-" in name:
        return date.fromisoformat(name), date.fromisoformat(name)
    return date(int(name), 1, 1), date(int(name), 12, 31)


def _row(war: War, source: str, observed_at: datetime) -> Row:
    row = war.model_dump(include={"declared", "started", "retracted", "finished", "mutual", "open_for_allies"})
    for side in ("aggressor", "defender"):
        row |= {f"{side}_{name}": value for name, value in getattr(war, side).model_dump().items()}
    return row | {"war_id": war.id, "source": source, "observed_at": observed_at}


def _allies(war: War) -> list[tuple[str, int]]:
    return [_ally(ally) for ally in war.allies if ally.alliance_id or ally.corporation_id]


def _ally(ally: WarAlly) -> tuple[str, int]:
    if ally.alliance_id:
        return "alliance", ally.alliance_id
    return "corporation", ally.corporation_id or 0

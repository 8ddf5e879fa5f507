"""Loading zKillboard's live feed: each batch is written together with its cursor."""

import logging
import time
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.http.errors import ServiceError
from killreport_assets.ingest.loader import LoadReport, written_facts
from killreport_assets.sources.r2z2 import FEED, FeedEntry, R2z2Feed
from killreport_assets.store.cursors import move_cursor, note_head, read_cursor
from killreport_assets.store.killmails import WriteReport, write_killmails_in
from killreport_assets.store.schema import tables
from killreport_assets.store.stored_killmails import write_zkillboard_values

log = logging.getLogger(__name__)
SECOND_LOOK_SECONDS = 0.5
BATCH = 100


@dataclass
class FeedReport:
    """The result of following the feed."""

    first_sequence: int
    next_sequence: int
    entries: int = 0
    """Entries that were read, in order."""
    head: int | None = None
    """The newest entry that the feed had when it was last read."""
    caught_up: bool = False
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """First and last numbers of ranges of entries that the feed no longer has."""
    stopped_by: str | None = None
    written: WriteReport = field(default_factory=WriteReport)


@dataclass(frozen=True)
class FeedLoader:
    """Follows the feed from its cursor; without a cursor, from `start`, or from the feed's head."""

    feed: R2z2Feed
    start: int | None = None
    max_entries: int = 5_000

    def load(self, engine: Engine) -> LoadReport:
        """Follow the feed until caught up, `max_entries` entries, or an error."""
        report = follow(self.feed, engine, start=self.start, max_entries=self.max_entries)
        facts = written_facts(report.written) | {
            "first sequence": report.first_sequence,
            "next sequence": report.next_sequence,
            "caught up": str(report.caught_up),
        }
        if report.gaps:
            gaps = ", ".join(f"{first} to {last}" for first, last in report.gaps)
            log.warning("the feed no longer had entries %s: load those days from the archives", gaps)
            facts["expired entries"] = f"{gaps}: load those days from the archives"
        return LoadReport(facts, [report.stopped_by] if report.stopped_by else [])


def follow(feed: R2z2Feed, engine: Engine, *, start: int | None = None, max_entries: int = 5_000) -> FeedReport:
    """Read from the cursor until caught up, `max_entries` entries, or an error; write each batch with its cursor.

    `start` applies when there is no cursor yet; its default is the head. The cursor passes an entry only when it is
    stored, was stored already, or is kept as rejected.
    """
    with engine.connect() as connection:
        cursor = read_cursor(connection, FEED)
    if cursor is None:
        cursor = start if start is not None else feed.head()
    report = FeedReport(cursor, cursor)
    while not (report.caught_up or report.stopped_by) and report.entries < max_entries:
        batch = _read_batch(feed, report, min(report.entries + BATCH, max_entries))
        with engine.begin() as connection:
            for first, last in report.gaps:
                gap = {"feed": FEED, "first_sequence": first, "last_sequence": last}
                connection.execute(sa.dialects.postgresql.insert(tables.feed_gaps).on_conflict_do_nothing(), gap)
            report.written.add(write_killmails_in(connection, [entry.body for entry in batch], "r2z2"))
            write_zkillboard_values(connection, [entry.values for entry in batch if entry.values])
            move_cursor(connection, FEED, report.next_sequence)
            if report.head is not None:
                note_head(connection, FEED, report.head)
    return report


def _read_batch(feed: R2z2Feed, report: FeedReport, max_entries: int) -> list[FeedEntry]:
    batch: list[FeedEntry] = []
    try:
        while report.entries < max_entries:
            entry = feed.entry(report.next_sequence)
            if entry is None:
                head = feed.head()
                report.head = max(head, report.next_sequence - 1)
                if head < report.next_sequence:
                    report.caught_up = True
                    break
                time.sleep(SECOND_LOOK_SECONDS)  # it may have been published between the two requests
                entry = feed.entry(report.next_sequence)
            if entry is None and head == report.next_sequence:
                report.caught_up = True
                break
            if entry is None:
                available = feed.next_available(report.next_sequence, head)
                report.gaps.append((report.next_sequence, available - 1))
                report.next_sequence = available
                continue
            again = feed.entry(entry.updated_sequence) if entry.updated_sequence is not None else None
            batch += [entry] if again is None else [entry, again]
            report.next_sequence += 1
            report.entries += 1
    except ServiceError as error:
        report.stopped_by = str(error)
    return batch

"""Loading zKillboard's live feed: each batch is written together with its cursor.

The cursor passes an entry only when it is stored, was stored already, or is kept: as a rejected killmail, as an entry
that cannot be read, or as part of a gap. What is kept in the last two ways is requested again later.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.locks import Lock, try_advisory_lock
from killreport_assets.database.migrate import writing
from killreport_assets.http.errors import ServiceError, Throttled
from killreport_assets.ingest.loader import LoadReport, written_facts
from killreport_assets.sources.r2z2 import FEED, MAX_GAP, MAX_LAG, FeedEntry, R2z2Feed, UnreadableEntry
from killreport_assets.store.announcements import announce
from killreport_assets.store.cursors import move_cursor, note_head, note_reading, read_cursor
from killreport_assets.store.feed_repairs import (
    OWED_AFTER,
    Gap,
    add_gap,
    failures,
    forget_failures,
    narrow_gap,
    newest_open_gap,
    record_failure,
)
from killreport_assets.store.killmails import WriteReport, write_killmails_in
from killreport_assets.store.stored_killmails import write_zkillboard_values

log = logging.getLogger(__name__)
SECOND_LOOK_SECONDS = 0.5
BATCH = 100
MAX_UNREADABLE = 3
"""Unreadable entries in a row after which the feed counts as broken, and not its entries."""
MIN_TRIES = 3
"""Tries, over OWED_AFTER, after which the newest entries are passed although nothing after them can be read."""
GAP_REQUESTS = 500
"""Entries of gaps that one load requests; more would delay new entries."""


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
    gaps: list[Gap] = field(default_factory=list)
    """Ranges of missing entries that were found."""
    unreadable: list[int] = field(default_factory=list)
    """Entries that were passed because they cannot be read now."""
    stopped_by: str | None = None
    is_throttled: bool = False
    """Whether it stopped because the feed asked to wait."""
    written: WriteReport = field(default_factory=WriteReport)

    def stop(self, error: ServiceError) -> None:
        """Note why nothing more is read now."""
        self.stopped_by, self.is_throttled = str(error), isinstance(error, Throttled)


@dataclass
class _FeedBatch:
    """Entries that were read and are not written yet."""

    entries: list[FeedEntry] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    unreadable: list[UnreadableEntry] = field(default_factory=list)
    """Unreadable entries, and a readable one after them."""
    streak: list[UnreadableEntry] = field(default_factory=list)
    """Unreadable entries with no readable one after them."""
    read: list[int] = field(default_factory=list)

    def read_again(self) -> None:
        """Note that the last entry is readable: the feed works, those before it are at fault."""
        self.unreadable += self.streak
        self.streak.clear()


@dataclass(frozen=True)
class FeedLoader:
    """Follows the feed from its cursor; without a cursor, from `start`, or from the feed's head.

    One process at a time: two would request every entry twice, and move the cursor against each other.
    """

    feed: R2z2Feed
    start: int | None = None
    max_entries: int = 5_000

    def load(self, engine: Engine) -> LoadReport:
        """Follow the feed until caught up, `max_entries` entries, or an error."""
        with try_advisory_lock(engine, Lock.FEED) as held:
            if held is None:
                return LoadReport(waiting="another process follows the feed")
            return self._follow(engine)

    def _follow(self, engine: Engine) -> LoadReport:
        try:
            report = follow(self.feed, engine, start=self.start, max_entries=self.max_entries)
        except Throttled as throttled:
            return LoadReport(waiting=str(throttled))
        except ServiceError as error:
            with writing(engine) as connection:
                note_reading(connection, FEED, None, str(error))
            return LoadReport({}, [str(error)])
        facts = written_facts(report.written) | {
            "first sequence": report.first_sequence,
            "next sequence": report.next_sequence,
            "caught up": str(report.caught_up),
        }
        if report.gaps:
            gaps = ", ".join(f"{gap.first_sequence} to {gap.last_sequence}" for gap in report.gaps)
            log.warning("the feed no longer has entries %s: load those days from the archives", gaps)
            facts["missing entries"] = f"{gaps}: load those days from the archives"
        if report.unreadable:
            facts["unreadable entries"] = ", ".join(map(str, report.unreadable))
        if report.is_throttled:
            return LoadReport(facts, waiting=report.stopped_by)
        return LoadReport(facts, [report.stopped_by] if report.stopped_by else [])


def has_news(feed: R2z2Feed, engine: Engine) -> bool:
    """Whether following the feed now would bring something: new entries, or older ones that are due again.

    Raises:
        ServiceError: the feed cannot be read.
    """
    with engine.connect() as connection:
        cursor = read_cursor(connection, FEED)
        is_owed = bool(newest_open_gap(connection, FEED) or failures(connection, FEED, only_due=True))
    if cursor is None or is_owed:
        return True
    head = feed.head()
    with writing(engine) as connection:
        note_head(connection, FEED, max(head, cursor - 1))
    if head >= cursor or head < cursor - 1 - MAX_LAG:
        return True
    try:
        return feed.entry(cursor) is not None
    except UnreadableEntry:
        return True


def follow(feed: R2z2Feed, engine: Engine, *, start: int | None = None, max_entries: int = 5_000) -> FeedReport:
    """Read from the cursor until caught up, `max_entries` entries, or an error; write each batch with its cursor.

    `start` applies when there is no cursor yet; its default is the head. Then it requests what the feed still owes:
    entries that could not be read, and those of gaps.

    Raises:
        ServiceError: the feed does not say where its head is; nothing was read.
    """
    with engine.connect() as connection:
        cursor = read_cursor(connection, FEED)
    head = feed.head()
    if cursor is None:
        cursor = start if start is not None else head
    report = FeedReport(cursor, cursor, head=max(head, cursor - 1))
    while not (report.caught_up or report.stopped_by or is_stopping()) and report.entries < max_entries:
        before = report.next_sequence
        batch = _read_batch(feed, report, min(report.entries + BATCH, max_entries))
        with writing(engine) as connection:
            _pass_unreadable(connection, report, batch)
            _write(connection, report, batch)
            is_behind = report.next_sequence < before  # the feed begins its numbers again
            move_cursor(connection, FEED, report.next_sequence, backwards=is_behind)
            if not report.is_throttled:
                note_reading(connection, FEED, report.head, report.stopped_by)
    if report.stopped_by is None:
        _try_again(feed, engine, report)
        _request_gaps(feed, engine, report)
    return report


def _read_batch(feed: R2z2Feed, report: FeedReport, max_entries: int) -> _FeedBatch:
    batch = _FeedBatch()
    try:
        while report.entries < max_entries and len(batch.streak) <= MAX_UNREADABLE:
            try:
                entry = feed.entry(report.next_sequence)
                if entry is None:
                    entry = _entry_at_the_head(feed, report, batch)
                    if entry is None:
                        break
                batch.entries += [entry, *_updated(feed, entry, batch)]
                batch.read.append(report.next_sequence)
                batch.read_again()
            except UnreadableEntry as unreadable:
                batch.streak.append(unreadable)
            report.next_sequence += 1
            report.entries += 1
    except ServiceError as error:
        report.stop(error)
    return batch


def _entry_at_the_head(feed: R2z2Feed, report: FeedReport, batch: _FeedBatch) -> FeedEntry | None:
    """Find the next entry after a missing one; None when the feed has no more."""
    while True:
        head = feed.head()
        report.head = max(head, report.next_sequence - 1)
        if head < report.next_sequence - 1 - MAX_LAG:
            report.head = head
            _begin_again(report, batch, head)
            return None
        if head < report.next_sequence:
            report.caught_up = True
            return None
        time.sleep(SECOND_LOOK_SECONDS)  # it may have been published between the two requests
        if (entry := feed.entry(report.next_sequence)) is not None:
            return entry
        if head == report.next_sequence:
            report.caught_up = True
            return None
        missing, later = report.next_sequence, feed.later_entry(report.next_sequence, head)
        asked = min(missing + MAX_GAP, later - 1)
        batch.gaps.append(Gap(missing, asked, missing - 1))
        if asked < later - 1:
            batch.gaps.append(Gap(asked + 1, later - 1, later - 1))
        report.next_sequence = later
        if (entry := feed.entry(later)) is not None:
            return entry


def _begin_again(report: FeedReport, batch: _FeedBatch, head: int) -> None:
    """Follow a feed that begins its numbers again: go on after its head, and request those before it as a gap."""
    log.warning(
        "the feed's newest entry is %s, the next one was to be %s: it has begun its numbers again",
        head,
        report.next_sequence,
    )
    batch.gaps.append(Gap(1, head, head))
    batch.read_again()
    report.next_sequence = head + 1


def _updated(feed: R2z2Feed, entry: FeedEntry, batch: _FeedBatch) -> list[FeedEntry]:
    """Read the older entry that an entry says was rewritten."""
    if entry.updated_sequence is None:
        return []
    try:
        updated = feed.entry(entry.updated_sequence)
    except UnreadableEntry as unreadable:
        batch.unreadable.append(unreadable)
        return []
    return [updated] if updated is not None else []


def _pass_unreadable(connection: Connection, report: FeedReport, batch: _FeedBatch) -> None:
    """Record unreadable entries; put the cursor back to those after which nothing could be read."""
    _record(connection, batch.unreadable + batch.streak)
    if batch.streak:
        first = batch.streak[0]
        known = {failure.sequence: failure for failure in failures(connection, FEED)}[first.sequence]
        is_poison = known.tries >= MIN_TRIES and datetime.now(UTC) - known.first_failed_at >= OWED_AFTER
        if not (is_poison and report.stopped_by is None):
            report.next_sequence = first.sequence
            report.stopped_by = report.stopped_by or str(first)
            report.caught_up = False
    report.unreadable += [u.sequence for u in batch.unreadable + batch.streak if u.sequence < report.next_sequence]
    forget_failures(connection, FEED, batch.read)


def _record(connection: Connection, unreadable: Sequence[UnreadableEntry]) -> None:
    for entry in unreadable:
        record_failure(connection, FEED, entry.sequence, entry.reason, entry.content)


def _write(connection: Connection, report: FeedReport, batch: _FeedBatch) -> None:
    for gap in batch.gaps:
        is_open = gap.next_sequence >= gap.first_sequence
        add_gap(connection, FEED, gap.first_sequence, gap.last_sequence, gap.next_sequence if is_open else None)
    report.gaps += batch.gaps
    _write_entries(connection, report, batch.entries)


def _write_entries(connection: Connection, report: FeedReport, entries: list[FeedEntry]) -> None:
    written = write_killmails_in(connection, [entry.body for entry in entries], FEED)
    announce(connection, written.stored)
    report.written.add(written)
    write_zkillboard_values(connection, [entry.values for entry in entries if entry.values])


def _try_again(feed: R2z2Feed, engine: Engine, report: FeedReport) -> None:
    """Request the unreadable entries that are due."""
    with engine.connect() as connection:
        due = failures(connection, FEED, only_due=True, before=report.next_sequence)
    for failure in due:
        try:
            entry = feed.entry(failure.sequence)
        except UnreadableEntry as unreadable:
            with writing(engine) as connection:
                _record(connection, [unreadable])
            continue
        except ServiceError as error:
            report.stop(error)
            return
        with writing(engine) as connection:
            if entry is None:
                add_gap(connection, FEED, failure.sequence, failure.sequence)
            else:
                _write_entries(connection, report, [entry])
            forget_failures(connection, FEED, [failure.sequence])


def _request_gaps(feed: R2z2Feed, engine: Engine, report: FeedReport) -> None:
    """Request entries of gaps one by one, newest first, until each was requested."""
    requests_left = GAP_REQUESTS
    while requests_left > 0 and report.stopped_by is None and not is_stopping():
        with engine.connect() as connection:
            gap = newest_open_gap(connection, FEED)
        if gap is None:
            return
        sequence, last = gap.next_sequence, max(gap.first_sequence, gap.next_sequence - min(BATCH, requests_left) + 1)
        found: list[tuple[int, FeedEntry]] = []
        unreadable: list[UnreadableEntry] = []
        while sequence >= last and report.stopped_by is None:
            try:
                if (entry := feed.entry(sequence)) is not None:
                    found.append((sequence, entry))
            except UnreadableEntry as failed:
                unreadable.append(failed)
            except ServiceError as error:
                report.stop(error)
                break
            sequence -= 1
            requests_left -= 1
        with writing(engine) as connection:
            _record(connection, unreadable)
            had = [number for number, _ in found] + [failed.sequence for failed in unreadable]
            narrow_gap(connection, FEED, gap, had, sequence)
            _write_entries(connection, report, [entry for _, entry in found])

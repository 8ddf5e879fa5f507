"""The handlers of `esi_user_killmails_queue` and `esi_corporation_killmails_queue`: lists of recent killmails.

A list that cannot be read does not become a dead letter: after a few attempts its failure is recorded, and it is due
again later.
"""

import logging
import random
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from killreport_assets.esi import routes
from killreport_assets.esi.client import Access, EsiClient, Path, RecentKillmails
from killreport_assets.esi.routes import Route
from killreport_assets.http.errors import Forbidden, Gone, ServiceError, Throttled, Unavailable
from killreport_assets.models.ids import is_npc_corporation
from killreport_assets.queues.catalogue import CORPORATION_KILLMAILS, KILLMAILS, USER_KILLMAILS, WorkQueue
from killreport_assets.store.lineage import end_pending, pending, request
from killreport_assets.store.schema import tables
from killreport_assets.store.stored_killmails import known_killmails, recently_rejected
from killreport_assets.store.syncs import COMPLETE, CONTINUED, UNCHANGED
from killreport_assets.users import killmail_lists
from killreport_assets.users import store as users
from killreport_assets.users.due_times import LOOK_AHEAD, SHORTEST, idle_time, next_due, retry_due, stretched
from killreport_assets.users.killmail_lists import Intervals, KillmailList, ListState, intervals
from killreport_assets.users.tokens import SignedOut, TokenKeeper, token_keeper
from killreport_assets.users.vault import KeyMissing
from killreport_assets.workers.handler import BatchReport, Handler, Outcome, ReceivedMessage, WorkerContext
from killreport_assets.workers.registry import Registration, register

log = logging.getLogger(__name__)
NO_SIGN_IN = "no sign-in to ask with"
MISSING_ROLE, NOT_A_MEMBER = "required role", "not in the corporation"
"""Parts of ESI's texts for a 403 (zKillboard's cron/1.corporations.php distinguishes them by these texts)."""
MEMBER_AGAIN = timedelta(days=1)
REJECTED_AGAIN = timedelta(days=1)
"""A killmail that could not be stored is fetched again after this time, if a list still has it."""
UNREADABLE_NOW = "This KillReport cannot read the sign-in at the moment."


@dataclass
class Listing:
    """The result of reading one list; its pages are newest first."""

    started_at: datetime
    outcome: str = COMPLETE
    is_success: bool = True
    hashes: dict[int, str] = field(default_factory=dict)
    character_id: int | None = None
    """Whose sign-in was used."""
    etag: str | None = None
    resume_page: int | None = None
    fresh_until: datetime | None = None
    seconds: float = 0.0


ReadPage = Callable[[int, str | None], RecentKillmails]


def read_list(read_page: ReadPage, known: KillmailList, listing: Listing) -> None:
    """Read a list into `listing`: its new part first, then from where an earlier reading was cut short.

    A changed list is read to its end: killmails that are added late need not be on the first page. What has been read
    is kept when a later page fails or the user's token bucket is empty, but not when ESI is paused for all.

    Raises:
        ServiceError: not even the first page could be read, or ESI is paused for all.
    """
    listing.etag, listing.resume_page = known.etag, known.resume_page
    first = read_page(1, known.etag)
    listing.etag = first.etag
    listing.fresh_until = datetime.now(UTC) + max(first.fresh_for, timedelta())
    listing.hashes |= first.hashes
    if first.is_unchanged and known.resume_page is None:
        listing.outcome = UNCHANGED
        return
    page, last, newest = 2, max(first.pages, known.resume_page or 1), first
    while page <= last:
        # The last reading has read what is older than its first killmail, up to where it was cut short.
        seen = known.newest_killmail_id
        if known.resume_page is not None and seen is not None and min(newest.hashes, default=0) <= seen:
            page = max(page, known.resume_page)
        try:
            newest = read_page(page, None)
        except Gone:
            break  # the list has become shorter meanwhile
        except ServiceError as error:
            if isinstance(error, Throttled) and not error.token_owner:
                raise
            listing.resume_page = page
            listing.outcome = CONTINUED if isinstance(error, Throttled) else f"cut short: {error}"
            return
        listing.hashes |= newest.hashes
        page, last = page + 1, max(last, newest.pages)
    listing.resume_page = None


class KillmailListHandler(Handler[KillmailList, Listing]):
    """The base of both handlers; each reading is a row in `ops.syncs`."""

    subject: str
    """What its lists belong to, in `ops.syncs`."""

    def __init__(self, client: EsiClient, engine: Engine, keeper: TokenKeeper, intervals: Intervals) -> None:
        self._client, self._engine, self._keeper, self._intervals = client, engine, keeper, intervals
        self._rng = random.Random()

    @abstractmethod
    def _read(self, known: KillmailList, listing: Listing) -> None:
        """Read the list with a user's sign-in."""

    def plan(self, connection: Connection, messages: Sequence[ReceivedMessage]) -> Mapping[str, KillmailList | Outcome]:
        lists = self._readable(connection, [received.id for received in messages])
        soon = datetime.now(UTC) + LOOK_AHEAD
        planned: dict[str, KillmailList | Outcome] = {}
        for received in messages:
            known = lists.get(received.id)
            if known is not None:
                is_fresh = known.fresh_until is not None and known.fresh_until > soon
                planned[received.message.message_id] = Outcome.UNCHANGED if is_fresh else known
        return planned

    def fetch(self, message: ReceivedMessage, plan: KillmailList | None) -> Listing:
        known = plan
        clock = time.monotonic()
        if known is None:
            return Listing(datetime.now(UTC), NO_SIGN_IN, is_success=False)
        if known.fresh_until is not None:
            wait = min(known.fresh_until - datetime.now(UTC), LOOK_AHEAD)  # longer only if the clock has gone back
            time.sleep(max(0.0, wait.total_seconds()))
        listing = Listing(datetime.now(UTC), etag=known.etag, resume_page=known.resume_page)
        try:
            self._read(known, listing)
        except SignedOut as ended:
            listing.outcome, listing.is_success = str(ended), False
        except Throttled as throttled:
            if not throttled.token_owner:
                raise
            listing.outcome, listing.is_success, listing.fresh_until = str(throttled), False, throttled.until
        except ServiceError as error:
            listing.outcome, listing.is_success = str(error), False
            listing.seconds = time.monotonic() - clock
            if message.delivery.attempts + 1 < self.queue.max_attempts:
                with self._engine.begin() as connection:
                    self._note_sync(connection, message.id, listing, 0, None)
                raise Unavailable(str(error)) from None  # a refusal may pass: a user's list is never dead
        listing.seconds = time.monotonic() - clock
        return listing

    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, Listing]], run_id: str | None
    ) -> BatchReport:
        lists = self._readable(connection, [received.id for received, _ in fetched])
        read = {received.id: (received, listing) for received, listing in fetched}  # a copy has the same listing
        listed = {id_: hash_ for _, listing in read.values() for id_, hash_ in listing.hashes.items()}
        stored = known_killmails(connection, list(listed))
        rejected = recently_rejected(connection, list(listed), REJECTED_AGAIN)
        unknown = {id_: hash_ for id_, hash_ in listed.items() if id_ not in stored | rejected}
        new = set(unknown) - pending(connection, KILLMAILS.kind, list(unknown))
        report = BatchReport(_outcomes(fetched))
        # In one call, in one order, so that no two workers wait for each other.
        urgent = any(received.delivery.urgent for received, _ in read.values())
        report.requested = request(connection, KILLMAILS.kind, list(unknown), hashes=unknown, urgent=urgent)
        for subject_id, (_, listing) in sorted(read.items()):
            queued = len(new & set(listing.hashes))
            new -= set(listing.hashes)
            self._describe(subject_id, listing, queued, report)
            if listing.outcome == NO_SIGN_IN:
                continue
            self._note_sync(connection, subject_id, listing, queued, run_id)
            report.rows["syncs"] += 1
            if subject_id in lists:
                killmail_lists.write_state(connection, self._state(connection, lists[subject_id], listing))
        end_pending(connection, KILLMAILS.kind, list(stored))  # dead ones that another source has stored since
        return report

    def _readable(self, connection: Connection, subject_ids: Sequence[int]) -> dict[int, KillmailList]:
        """The lists that a user's sign-in can read."""
        lists = killmail_lists.readable_lists(
            connection, self._intervals, kind=self.queue.kind, subject_ids=subject_ids
        )
        return {one.subject_id: one for one in lists}

    def _state(self, connection: Connection, known: KillmailList, listing: Listing) -> ListState:
        now = datetime.now(UTC)
        newest = max([*listing.hashes, known.newest_killmail_id or 0]) or None
        newest_at = killmail_lists.killmail_time(connection, newest)  # it may have been stored since
        if listing.is_success:
            idle = idle_time(now, newest_at, is_empty=newest is None, known_since=known.created_at)
            interval = stretched(known.interval, idle)
            earliest = max(listing.fresh_until or now, listing.started_at + SHORTEST)
            if listing.resume_page is not None:
                interval = known.interval
            next_at = next_due(now, interval, f"{known.kind}:{known.subject_id}", earliest, self._rng)
        else:
            next_at = max(retry_due(now, known.interval, known.failures), listing.fresh_until or now)
        return ListState(
            known.kind,
            known.subject_id,
            next_at,
            listing.outcome,
            listing.is_success,
            listing.fresh_until,
            listing.etag,
            listing.resume_page,
            newest,
            newest_at,
        )

    def _describe(self, subject_id: int, listing: Listing, queued: int, report: BatchReport) -> None:
        if not listing.is_success:
            report.errors.append(f"{self.subject} {subject_id}: {listing.outcome}")
        report.sample.append(
            {
                self.subject: subject_id,
                "outcome": listing.outcome,
                "listed": len(listing.hashes),
                "queued": queued,
                "known": len(listing.hashes) - queued,
                "signed in": listing.character_id,
            }
        )

    def _note_sync(
        self, connection: Connection, subject_id: int, listing: Listing, queued: int, run_id: str | None
    ) -> None:
        character_id = listing.character_id
        if character_id is not None and not users.is_user(connection, character_id):
            if character_id == subject_id:
                return  # forgotten meanwhile: nothing more is recorded
            character_id = None
        connection.execute(
            tables.syncs.insert().values(
                source=self.queue.kind,
                subject=f"{self.subject}:{subject_id}",
                started_at=listing.started_at,
                seconds=listing.seconds,
                listed=len(listing.hashes),
                stored=0,
                queued=queued,
                skipped=len(listing.hashes) - queued,
                outcome=listing.outcome,
                run_id=run_id,
                character_id=character_id,
            )
        )

    def _reader(self, route: Route, path: Path, known: KillmailList, listing: Listing) -> Callable[[Access], None]:
        """Return a function that reads the list of a route into `listing`, given a user's access."""

        def read(access: Access) -> None:
            read_list(lambda page, etag: self._client.recent_killmails(route, path, page, access, etag), known, listing)

        return read

    def _with(self, character_id: int, listing: Listing, read: Callable[[Access], None]) -> None:
        """Read with a user's token; one that ESI rejects is refreshed once."""
        listing.character_id = character_id
        try:
            access = self._keeper.access(character_id)
        except KeyMissing as missing:
            log.warning("character %s: %s", character_id, missing)
            raise SignedOut(UNREADABLE_NOW) from None  # the log has the reason, for the operator
        try:
            read(access)
        except Forbidden as forbidden:
            if forbidden.status != 401:
                raise
            read(self._keeper.access(character_id, rejected=access.token))


class UserKillmailsHandler(KillmailListHandler):
    """A character's own list."""

    subject = "character"

    @property
    def queue(self) -> WorkQueue:
        return USER_KILLMAILS

    def _read(self, known: KillmailList, listing: Listing) -> None:
        read = self._reader(routes.RECENT_OF_CHARACTER, {"character_id": known.subject_id}, known, listing)
        self._with(known.subject_id, listing, read)


class CorporationKillmailsHandler(KillmailListHandler):
    """A corporation's list, read with the sign-in of the least recently used Director."""

    subject = "corporation"

    @property
    def queue(self) -> WorkQueue:
        return CORPORATION_KILLMAILS

    def _read(self, known: KillmailList, listing: Listing) -> None:
        read = self._reader(routes.RECENT_OF_CORPORATION, {"corporation_id": known.subject_id}, known, listing)
        if is_npc_corporation(known.subject_id):
            raise SignedOut("The killmails of an NPC corporation cannot be listed.")
        tried: list[int] = []
        problem: Exception = SignedOut(NO_SIGN_IN)
        while (director := self._next_director(known.subject_id, tried)) is not None:
            tried.append(director)
            try:
                self._with(director, listing, read)
            except SignedOut as ended:
                problem = ended
            except Forbidden as forbidden:
                problem = SignedOut(f"ESI refused: {forbidden.said}")
                if not self._note_refusal(director, forbidden):
                    raise
            except Throttled as throttled:
                if not throttled.token_owner:
                    raise
                problem = throttled  # only this Director's tokens are spent
            else:
                return
        raise problem

    def _next_director(self, corporation_id: int, tried: Sequence[int]) -> int | None:
        with self._engine.begin() as connection:
            return users.next_director(connection, corporation_id, tried)

    def _note_refusal(self, character_id: int, forbidden: Forbidden) -> bool:
        """Record a refusal that is about this sign-in; False for one that may pass."""
        with self._engine.begin() as connection:
            if MISSING_ROLE in forbidden.said.lower():
                reason = "ESI lists a corporation's killmails to its Directors only. Sign in again when you are one."
                users.switch_corporation_off(connection, character_id, reason)
                return True
            if NOT_A_MEMBER in forbidden.said.lower():
                reason = "ESI says that the character is not in the corporation; tried again tomorrow."
                users.defer_corporation(connection, character_id, MEMBER_AGAIN, reason)
                return True
        return False


def _outcomes(fetched: Sequence[tuple[ReceivedMessage, Listing]]) -> list[Outcome]:
    """Return an outcome for each message; a copy of a message shares its listing, and is unchanged."""
    outcomes, seen = [], set()
    for received, listing in fetched:
        read = Outcome.STORED if listing.is_success else Outcome.SKIPPED
        outcomes.append(Outcome.UNCHANGED if received.id in seen else read)
        seen.add(received.id)
    return outcomes


def _register(queue: WorkQueue, handler: type[KillmailListHandler]) -> None:
    def build(context: WorkerContext) -> KillmailListHandler:
        keeper = token_keeper(context.settings, context.engine)
        context.cleanup.callback(keeper.close)
        return handler(context.esi, context.engine, keeper, intervals(context.settings))

    register(Registration(queue, build, upstream=("ops/users", "ccp/esi")))


_register(USER_KILLMAILS, UserKillmailsHandler)
_register(CORPORATION_KILLMAILS, CorporationKillmailsHandler)

"""The genuine killmails loaded and built in the ways that go wrong: late, uncommitted, with prices that come later.

Played once for all tests that read the marts; they must leave it as it is.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection, Engine

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.world import World
from killreport_assets.sources.zkb_block import zkillboard_values
from killreport_assets.store import changed_days
from killreport_assets.store.changed_days import CADENCES, forget_built, is_build_due, mark_days
from killreport_assets.store.entities import upsert
from killreport_assets.store.history import record_totals, request_missing
from killreport_assets.store.killmails import write_killmails, write_killmails_in
from killreport_assets.store.market import write_market_day_in, write_market_prices_in
from killreport_assets.store.schema import tables
from killreport_assets.store.stored_killmails import write_zkillboard_values
from killreport_assets_testing.warehouse import Warehouse, load_static, market_row

WORLD = World()
KILLMAILS = list(WORLD.killmails.values())
LATE, LATER = KILLMAILS[7], KILLMAILS[300]
UNCOMMITTED = KILLMAILS[100]
NOT_AT_FIRST = {LATE.id, LATER.id, UNCOMMITTED.id}
DAY = timedelta(days=1)
KILLMAILS_A_PIECE, MAX_PIECES = 2_000, 4
"""By the size of their partitions, of which the smallest has a page; the killmails themselves are fewer."""
PIECE = (
    "select min(killmail_date), max(killmail_date), count(*) from intermediate.int_changed_days "
    "where cadence = 'nightly'"
)
COMPARED, LACKING = KILLMAILS[0].day, KILLMAILS[-1].day
"""Days whose totals are known: of one everything is stored, the other lacks three killmails, one of them for good."""
LACKS, FOR_GOOD = 3, 1
OBSERVED = datetime(2018, 9, 1, tzinfo=UTC)


@dataclass
class Story:
    """What was seen on the way."""

    warehouse: Warehouse
    changed: list[set[date]] = field(default_factory=list)
    known: list[set[int]] = field(default_factory=list)
    due: list[bool] = field(default_factory=list)
    incremental: dict[str, str] = field(default_factory=dict)
    rebuilt: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[date, date, int]] = field(default_factory=list)
    """The builds that a full refresh took: the first and last of the days of each, and how many."""
    in_pieces: dict[str, str] = field(default_factory=dict)
    """What came out of them."""

    def note(self) -> None:
        """After a build: which days it built, which killmails are in it."""
        rows = self.warehouse.rows("select killmail_date from intermediate.int_changed_days where cadence = 'frequent'")
        self.changed.append({day for (day,) in rows})
        self.known.append({id_ for (id_,) in self.warehouse.rows("select killmail_id from marts.fct_killmails")})
        self.due.append(any(is_build_due(self.warehouse.engine, cadence) for cadence in CADENCES))


def _body(killmail: Any) -> KillmailBody:
    return KillmailBody(killmail.body, killmail.hash)


def _market_days() -> dict[date, list[dict[str, Any]]]:
    days: dict[date, list[dict[str, Any]]] = {}
    for row in WORLD.market_history:
        day = date.fromisoformat(row["date"])
        days.setdefault(day, []).append(market_row(day, row["type_id"], row["average"], row["region_id"]))
    return days


def _types(newest: bool) -> list[dict[str, Any]]:
    return [
        row | {"source": "sde"} for row in WORLD.static["types"] if (row["type_id"] in WORLD.newest_types) == newest
    ]


def _names() -> list[dict[str, Any]]:
    """A name for every character, corporation and alliance on a killmail."""
    kinds = ("character", "corporation", "alliance")
    parties = [party for k in KILLMAILS for party in (k.body["victim"], *k.body["attackers"])]
    ids = {(kind, party[f"{kind}_id"]) for party in parties for kind in kinds if party.get(f"{kind}_id")}
    return [{"entity_kind": kind, "entity_id": id_, "name": f"{kind} {id_}"} for kind, id_ in sorted(ids)]


def of_day(day: date) -> int:
    """How many of the killmails are of a day."""
    return sum(killmail.day == day for killmail in KILLMAILS)


def _compare_two_days(connection: Connection) -> None:
    record_totals(connection, "everef", {COMPARED: of_day(COMPARED), LACKING: of_day(LACKING)})
    record_totals(connection, "zkillboard", {COMPARED: 1, LACKING: of_day(LACKING) + LACKS})
    request_missing(connection, LACKING, {9_000_000_000 + number: "a" * 40 for number in range(LACKS)})
    connection.exec_driver_sql("update ops.missing_killmails set reason = '422' where killmail_id = 9000000000")


def _first_load(engine: Engine) -> None:
    days = _market_days()
    with engine.begin() as connection:
        _compare_two_days(connection)
        load_static(connection, WORLD)
        upsert(connection, tables.types, _types(newest=False))
        for day in sorted(days)[::2]:
            write_market_day_in(connection, day, days[day])
    write_killmails(engine, [_body(k) for k in KILLMAILS if k.id not in NOT_AT_FIRST], "everef")
    with engine.begin() as connection:
        blocks = [zkillboard_values(k.id, k.zkb, OBSERVED) for k in KILLMAILS if k.zkb]
        write_zkillboard_values(connection, blocks)


def _change_every_day(engine: Engine) -> None:
    with engine.begin() as connection:
        mark_days(connection, f"select {changed_days.DAY} from raw.killmails")


def play(story: Story, engine: Engine) -> Story:
    """All, increments with every kind of late change, every day, all again in pieces, and all again at once."""
    as_of = "2026-07-25"
    days = _market_days()
    _first_load(engine)
    story.due.append(is_build_due(engine, "frequent"))
    with engine.connect() as connection:
        transaction = connection.begin()
        write_killmails_in(connection, [_body(UNCOMMITTED)], "r2z2")  # begins before the build and ends after it
        story.warehouse.build(as_of=as_of, is_tested=False)
        transaction.commit()
    story.note()
    forget_built(engine)
    write_killmails(engine, [_body(LATE)], "esi")
    with engine.begin() as connection:
        upsert(connection, tables.types, _types(newest=True))
        connection.execute(tables.entity_names.insert(), _names())
        for day in sorted(days)[1::2]:
            write_market_day_in(connection, day, days[day])
        write_market_prices_in(
            connection,
            date(2018, 1, 1),
            [
                {
                    "type_id": row["type_id"],
                    "average_price": 1_000.25 * (1 + row["type_id"] % 7),
                    "adjusted_price": None,
                }
                for row in WORLD.static["types"]
            ],
        )
    story.warehouse.build(as_of=as_of, is_nightly=False)
    write_killmails(engine, [_body(LATER)], "everef")
    story.warehouse.build(as_of=as_of, is_nightly=False, is_tested=False)
    story.note()
    _change_every_day(engine)
    story.warehouse.build(as_of=as_of)
    story.incremental = story.warehouse.contents()
    for piece in range(MAX_PIECES):
        story.warehouse.build(
            *(() if piece else ("--full-refresh",)),
            as_of=as_of,
            killmails_a_build=str(KILLMAILS_A_PIECE),
            is_tested=not piece,
        )
        [(first, last, count)] = story.warehouse.rows(PIECE)
        story.pieces.append((first, last, count))
        if not story.warehouse.rows("select 1 from intermediate.int_days_to_build where not is_now limit 1"):
            break
    story.in_pieces = story.warehouse.contents()
    story.warehouse.build("--full-refresh", as_of=as_of, is_tested=False)
    story.rebuilt = story.warehouse.contents()
    return story

"""The public pages. What they read is in killmails.py, entities.py and statistics.py; how it looks is in templates/."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from cachetools import TTLCache, cached
from sqlalchemy.engine import Connection, Engine, RowMapping
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from killreport_assets.base.errors import UserError
from killreport_assets.base.times import midnight
from killreport_assets.store.trace import trace_killmail
from killreport_assets.web import battles, charts, entities, fits, killmails, statistics
from killreport_assets.web.database import has_mart
from killreport_assets.web.entities import BY_PATH, KINDS, Kind
from killreport_assets.web.fitting import HOLDS, RACKS, eft_text, fit_of
from killreport_assets.web.health import Looking
from killreport_assets.web.killmails import Filters, Place, Side
from killreport_assets.web.maps import region_map
from killreport_assets.web.rendering import Problem, Rendering
from killreport_assets.web.tables import tables_of

PAGE = 50
ENTITY_PAGE = 25
SHOWN_ATTACKERS = 250
BATTLES = 5
LEADERS = {
    "character": "kills",
    "corporation": "isk_destroyed",
    "alliance": "isk_destroyed",
    "ship_type": "losses",
    "system": "kills",
}
FLAGS = (
    ("is_solo_zkb", "solo"),
    ("is_npc_zkb", "NPC"),
    ("is_awox", "awox"),
    ("is_ganked", "gank"),
    ("is_padding", "padding"),
    ("is_capital", "capital"),
    ("is_structure", "structure"),
    ("is_war", "war"),
)
COVERAGE_SECONDS = 60.0


class Pages:
    """The handlers of the public pages; one object serves all threads."""

    def __init__(self, engine: Engine, rendering: Rendering, looking: Looking) -> None:
        self._engine, self._rendering, self._looking = engine, rendering, looking
        self._days = cached(TTLCache(1, COVERAGE_SECONDS))(self._read_days)

    async def front(self, request: Request) -> Response:
        """Show the newest killmails, rankings and top losses."""
        return await self._answer(request, "front.html", self._front)

    async def kills(self, request: Request) -> Response:
        """Show killmails by time, of one day where `day` is given."""
        return await self._answer(request, "kills.html", self._kills)

    async def killmail(self, request: Request) -> Response:
        """Show one killmail."""
        template, facts = await run_in_threadpool(self._killmail, request)
        return self._rendering.page(request, template, **facts)

    async def entity(self, request: Request) -> Response:
        """Show an entity: its newest killmails, then its numbers."""
        return await self._answer(request, "entity.html", self._entity)

    async def entity_killmails(self, request: Request) -> Response:
        """Show the kills or losses of an entity, page by page."""
        return await self._answer(request, "kills.html", self._entity_killmails)

    async def fit(self, request: Request) -> Response:
        """Show a fit: its modules, who lost it, its variants."""
        return await self._answer(request, "fit.html", self._fit)

    async def regions(self, request: Request) -> Response:
        """Show every region, each of which has a map."""
        return await self._answer(request, "regions.html", self._regions)

    async def search(self, request: Request) -> Response:
        """Show what a search found."""
        return await self._answer(request, "search.html", self._search)

    async def definitions(self, request: Request) -> Response:
        """Show the dictionary of metrics."""
        return await self._answer(request, "definitions.html", self._definitions)

    async def coverage(self, request: Request) -> Response:
        """Show what is here, how fresh it is, and what is missing."""
        return await self._answer(request, "coverage.html", self._coverage)

    async def _answer(
        self, request: Request, template: str, read: Callable[[Request, Connection], dict[str, Any]]
    ) -> Response:
        def reading() -> dict[str, Any]:
            with self._engine.connect() as connection:
                return read(request, connection)

        facts = await run_in_threadpool(reading)
        return self._rendering.page(request, template, **facts)

    def _front(self, _request: Request, connection: Connection) -> dict[str, Any]:
        state = statistics.state_of(connection)
        if not state.killmails or state.last_day is None:
            return {"state": state}
        is_recent = state.as_of is not None and (state.as_of - state.last_day).days < 90
        period = "90 days" if is_recent else "all"
        return {
            "state": state,
            "today": statistics.of_day(connection, state.last_day),
            "latest": killmails.find(connection, Filters(since=midnight(state.last_day - timedelta(days=30))), 20),
            "period": period,
            "leaders": {
                kind: statistics.leaders(connection, KINDS[kind], metric, period) for kind, metric in LEADERS.items()
            },
            "top_losses": statistics.top_losses(connection, state.last_day),
        }

    def _kills(self, request: Request, connection: Connection) -> dict[str, Any]:
        place = asked_place(request)
        filters, heading = Filters(before=place), "Killmails"
        if day := request.query_params.get("day"):
            chosen = _day(day)
            filters = Filters(before=place, since=midnight(chosen), until=midnight(chosen + timedelta(days=1)))
            heading = f"Killmails of {chosen}"
        facts = self._page_of(request, connection, filters)
        return facts | {"heading": heading, "about": None}

    def _page_of(self, request: Request, connection: Connection, filters: Filters) -> dict[str, Any]:
        found = killmails.find(connection, filters, PAGE + 1)
        rows = found[:PAGE]
        next_page = (
            str(request.url.include_query_params(after=Place.of(rows[-1]).cursor)) if len(found) > PAGE else None
        )
        return {"rows": rows, "next_page": next_page, "is_later_page": filters.before is not None}

    def _killmail(self, request: Request) -> tuple[str, dict[str, Any]]:
        killmail_id = request.path_params["killmail_id"]
        with self._engine.connect() as connection:
            try:
                trace = trace_killmail(connection, killmail_id)
            except UserError:
                raise Problem("No such killmail", f"Killmail {killmail_id} is not stored here.", 404) from None
            row = killmails.killmail(connection, killmail_id)
            if row is None:
                return "unbuilt.html", {"trace": trace}
            attackers = killmails.attackers_of(connection, [killmail_id])
            items = killmails.items_of(connection, [killmail_id])
            values = killmails.values_of(connection, [killmail_id])
            lost_fit = fits.of_killmails(connection, [killmail_id]).get(killmail_id)
            battle_id = battles.battle_of(connection, killmail_id) if battles.are_built(connection) else None
        fit = fit_of(items)
        hull = row["victim_ship_name"] or f"Type {row['victim_ship_type_id']}"
        counted = Counter((attacker["ship_type_id"], attacker["ship_name"]) for attacker in attackers)
        return "killmail.html", {
            "row": row,
            "trace": trace,
            "attackers": attackers[:SHOWN_ATTACKERS],
            "ships": [{"type_id": id_, "name": name, "count": count} for (id_, name), count in counted.most_common()],
            "values": values,
            "fit": fit,
            "fit_id": lost_fit["fit_id"] if lost_fit else None,
            "battle_id": battle_id,
            "eft": eft_text(hull, f"killmail {killmail_id}", fit) if fit.racks else None,
            "RACKS": RACKS,
            "HOLDS": HOLDS,
            "flags": FLAGS,
        }

    def _entity(self, request: Request, connection: Connection) -> dict[str, Any]:
        kind, entity_id = _asked(request)
        row = entities.dimension_rows(connection, kind, [entity_id]).get(entity_id)
        totals = statistics.totals(connection, kind, entity_id) if statistics.is_built(connection) else None
        if row is None and totals is None:
            raise Problem(f"No such {kind.title.lower()}", f"{kind.title} {entity_id} is not known here.", 404)
        facts: dict[str, Any] = {
            "kind": kind,
            "entity_id": entity_id,
            "row": row,
            "name": entities.name_of(kind, row, entity_id),
            "totals": totals,
            "parents": _parents(kind, row),
            "here": f"/{kind.path}/{entity_id}",
            "map": None,
        }
        if totals is None:
            return facts
        found = killmails.find(connection, killmails.of_entity(kind, entity_id), ENTITY_PAGE + 1)
        rows = _marked(found[:ENTITY_PAGE], kind, entity_id)
        is_nightly = statistics.has_monthly_marts(connection)
        monthly = statistics.by_month(connection, kind, entity_id) if is_nightly else []
        facts |= {
            "rows": rows,
            "next_page": f"{facts['here']}/kills-and-losses?after={Place.of(rows[-1]).cursor}"
            if len(found) > ENTITY_PAGE
            else None,
            "isk_by_month": charts.months([(m["month"], m["isk_destroyed"], m["isk_lost"]) for m in monthly]),
            "kills_by_month": charts.months([(m["month"], m["kills"], m["losses"]) for m in monthly]),
            "hours": None,
            "battles": battles.newest(connection, kind=kind.name, entity_id=entity_id, limit=BATTLES)
            if kind.name in battles.BY_ENTITY and battles.are_built(connection)
            else [],
            "fits": fits.of_hull(connection, entity_id)
            if kind.name == "ship_type" and fits.are_built(connection)
            else [],
            "tables": tables_of(connection, kind, entity_id) if is_nightly else [],
            "as_of": statistics.as_of(connection),
        }
        if kind.name == "region" and (day := statistics.last_day(connection)) is not None:
            facts["map"] = region_map(connection, entity_id, day)
        if is_nightly and (kind.is_player or kind.name == "region"):
            facts["hours"] = charts.heat_map(statistics.hours(connection, kind, entity_id))
        return facts

    def _entity_killmails(self, request: Request, connection: Connection) -> dict[str, Any]:
        kind, entity_id = _asked(request)
        which = request.path_params["which"]
        side = {"kills": Side.kills, "losses": Side.losses, "kills-and-losses": Side.both}[which]
        row = entities.dimension_rows(connection, kind, [entity_id]).get(entity_id)
        filters = replace(killmails.of_entity(kind, entity_id, side), before=asked_place(request))
        facts = self._page_of(request, connection, filters)
        facts["rows"] = _marked(facts["rows"], kind, entity_id)
        name = entities.name_of(kind, row, entity_id)
        return facts | {"heading": f"{name}: {which.replace('-', ' ')}", "about": kind}

    def _fit(self, request: Request, connection: Connection) -> dict[str, Any]:
        fit_id = request.path_params["fit_id"]
        row = fits.fit(connection, fit_id) if fits.are_built(connection) else None
        if row is None:
            raise Problem("No such fit", "No ship was lost with this fit; fits are of the nightly build.", 404)
        return {
            "row": row,
            "racks": fits.modules(connection, fit_id),
            "rows": fits.losses(connection, fit_id),
            "variants": fits.variants(connection, row["family_id"], fit_id),
            "RACKS": RACKS,
        }

    def _regions(self, _request: Request, connection: Connection) -> dict[str, Any]:
        day = statistics.last_day(connection) if statistics.is_built(connection) else None
        rows = statistics.regions(connection, day) if day is not None else []
        return {"regions": charts.with_lengths(rows, "week"), "day": day}

    def _search(self, request: Request, connection: Connection) -> dict[str, Any]:
        words = request.query_params.get("q", "")[:100].strip()
        found = entities.search(connection, words) if statistics.is_built(connection) else []
        killmail_id = None
        if words.isdigit() and len(words) <= 18 and killmails.killmail(connection, int(words)) is not None:
            killmail_id = int(words)
        return {"q": words, "found": found, "killmail_id": killmail_id}

    def _definitions(self, _request: Request, connection: Connection) -> dict[str, Any]:
        seen: set[str] = set()
        rows = []
        for metric in statistics.dictionary(connection) if statistics.is_built(connection) else []:
            anchor = metric["name"] if metric["name"] not in seen else f"{metric['name']}-{len(seen)}"
            seen.add(anchor)
            rows.append(dict(metric) | {"anchor": anchor})
        grouped = groupby(rows, key=lambda metric: metric["model"])
        return {
            "by_model": [(model, list(metrics)) for model, metrics in grouped],
            "changes": statistics.definition_changes(connection),
        }

    def _coverage(self, request: Request, connection: Connection) -> dict[str, Any]:
        health = self._looking.look()
        feeds = [
            asdict(feed) | {"entries_behind": feed.entries_behind, "cursor": feed.next_sequence - 1}
            for feed in health.feeds
        ]
        history = statistics.completeness(connection) if has_mart(connection, "fct_completeness") else []
        shares = {(row["month"].year, row["month"].month): row["share"] for row in history}
        return {
            "state": statistics.state_of(connection),
            "history": history,
            "years": charts.year_grid(shares),
            "problems": health.problems,
            "are_problems_shown": not self._looking.is_hidden_from(request),
            "feeds": feeds,
            "kinds": health.coverage,
            "days": self._days(),
        }

    def _read_days(self) -> list[RowMapping]:
        with self._engine.connect() as connection:
            return statistics.days(connection) if has_mart(connection, "fct_completeness") else []


def _asked(request: Request) -> tuple[Kind, int]:
    return BY_PATH[request.path_params["kind"]], request.path_params["entity_id"]


def _parents(kind: Kind, row: RowMapping | None) -> list[tuple[str, int, str]]:
    """What it belongs to, by its dimension: (path, id, name)."""
    return [
        (parent.path, row[parent.id_column], row[parent.name_column])
        for parent in KINDS.values()
        if row is not None and parent is not kind and row.get(parent.id_column)
    ]


def _marked(rows: list[RowMapping], kind: Kind, entity_id: int) -> list[dict[str, Any]]:
    """Say of each killmail whether the entity lost the ship."""
    column = "solar_system_id" if kind.is_place else f"victim_{kind.name}_id"
    return [dict(row) | {"is_loss": row[column] == entity_id and not kind.is_place} for row in rows]


def asked_place(request: Request) -> Place | None:
    """The place after which a page begins.

    Raises:
        Problem: it is none of ours.
    """
    text = request.query_params.get("after")
    if text is None:
        return None
    try:
        return Place.of_cursor(text)
    except ValueError:
        raise Problem("No such page", "The address of the page is damaged: begin at the first page.", 400) from None


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Problem("No such day", "A day is written as 2026-08-21.", 400) from None
    if not 2003 <= day.year < 9999:
        raise Problem("No such day", "EVE began in 2003.", 400)
    return day

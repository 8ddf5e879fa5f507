"""The sandbox's market: EVE Ref's daily market history and ESI's prices, made of genuine averages in The Forge."""

import bz2
import csv
import hashlib
import io
from datetime import date

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.serving import Serving, json_response
from killreport_assets.sandbox.world import Record, World

# EVE Ref's header changed over the years; the last has been there since its day.
HEADERS = (
    (date.min, "date region_id type_id average highest lowest volume order_count"),
    (date(2019, 1, 1), "date region_id type_id average lowest highest volume order_count"),
    (date(2020, 6, 18), "average date highest lowest order_count volume http_last_modified region_id type_id"),
)


class SandboxMarket:
    """Market history by day, and the latest average of each type as ESI's price of today."""

    def __init__(self, world: World, serving: Serving) -> None:
        self._serving = serving
        self._days: dict[date, list[Record]] = {}
        for row in world.market_history:
            self._days.setdefault(date.fromisoformat(row["date"]), []).append(row)

    def routes(self) -> list[Route]:
        """EVE Ref's routes; ESI's is among ESI's."""
        route = self._serving.route
        return [
            route("everef", "/market-history/totals.json", self._totals),
            route(
                "everef", "/market-history/{year:int}/market-history-{day}.csv.bz2", self._day, methods=("GET", "HEAD")
            ),
        ]

    def prices(self, request: Request) -> Response:
        """`GET /markets/prices`."""
        latest = {row["type_id"]: row["average"] for day in sorted(self._days) for row in self._days[day]}
        return json_response([{"type_id": id_, "average_price": price} for id_, price in sorted(latest.items())])

    def _totals(self, request: Request) -> Response:
        return json_response({f"{day}": len(rows) for day, rows in sorted(self._days.items())})

    def _day(self, request: Request) -> Response:
        try:
            day = date.fromisoformat(request.path_params["day"])
        except ValueError:
            return Response("not found", 404)
        if day not in self._days or day.year != request.path_params["year"]:
            return Response("not found", 404)
        packed = bz2.compress(self._csv(day).encode())
        etag = f'"{hashlib.sha1(packed, usedforsecurity=False).hexdigest()}"'
        return Response(packed, headers={"ETag": etag}, media_type="application/x-bzip2")

    def _csv(self, day: date) -> str:
        header = next(names for since, names in reversed(HEADERS) if since <= day)
        text = io.StringIO()
        writer = csv.DictWriter(text, header.split(), restval="", lineterminator="\n")
        writer.writeheader()
        for row in self._days[day]:
            observed = {"http_last_modified": f"{day}T11:05:00Z"} if "http_last_modified" in header else {}
            writer.writerow(row | observed)
        return text.getvalue()

"""Reports: one battle, or an entity's last days, as a page in one file that needs no server and loads nothing."""

import base64
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from markupsafe import Markup
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.base.errors import UserError
from killreport_assets.base.times import midnight
from killreport_assets.settings import Settings
from killreport_assets.web import battles, entities, killmails, statistics
from killreport_assets.web.entities import KINDS, Kind
from killreport_assets.web.killmails import Filters, Side
from killreport_assets.web.pictures import svg_of
from killreport_assets.web.rendering import environment_with, stylesheet

REPORTED = ("character", "corporation", "alliance")
"""The kinds of entities that a report can be about."""
MAX_KILLMAILS = 20_000
TOP = 15
COLOURS = ("#0a5f97", "#b3261e", "#1a6e3e", "#8a5300", "#5a4fa3", "#556070")


class Reports:
    """Makes reports; the addresses in them are those of the site, so that they lead somewhere while it is served."""

    def __init__(self, settings: Settings) -> None:
        self._environment = environment_with(lambda type_id, _size: _data_uri(svg_of(type_id or 0)))
        self._facts = {
            "is_sandbox": settings.services.origin == "sandbox",
            "layout": "report_layout.html",
            "style": Markup(stylesheet()),  # noqa: S704  # our own file
            "site": settings.users.public_auth_url,
            "made_at": datetime.now(UTC),
        }

    def of_battle(self, connection: Connection, battle_id: int) -> str:
        """The report of a battle, by its id or that of any of its killmails.

        Raises:
            UserError: there is no such battle, or none are built.
        """
        if not battles.are_built(connection):
            raise UserError("the dbt tables are not built yet: killreport dbt build")
        row = battles.known_battle(connection, battle_id)
        if row is None:
            raise UserError(f"killmail {battle_id} belongs to no battle that is known here: killreport query battles")
        facts = battles.everything(connection, row)
        names = {side["side"]: side["entity_name"] or f"side {side['side']}" for side in facts["sides"]}
        drawing = _lost_so_far(battles.lost_so_far(connection, row["battle_id"]), names)
        return self._render("battle.html", **facts, drawing=drawing)

    def of_entity(self, connection: Connection, kind: Kind, entity_id: int, days: int, until: date | None) -> str:
        """The report of an entity over the `days` up to `until`, or up to the last build.

        Raises:
            UserError: nothing is known of it in these days, or nothing is built.
        """
        totals = statistics.totals(connection, kind, entity_id) if statistics.is_built(connection) else None
        if totals is None:
            raise UserError(f"no killmail of {kind.name} {entity_id} is in the statistics")
        last = until or statistics.as_of(connection) or totals["last_date"]
        first = last - timedelta(days=days - 1)
        since, before = midnight(first), midnight(last + timedelta(days=1))
        kills, losses = (
            killmails.find(
                connection, Filters(entities=((kind, entity_id, side),), since=since, until=before), MAX_KILLMAILS
            )
            for side in (Side.kills, Side.losses)
        )
        if not kills and not losses:
            raise UserError(
                f"nothing from {first} to {last}; its last killmail is of {totals['last_date']}: see --until"
            )
        row = entities.dimension_rows(connection, kind, [entity_id]).get(entity_id)
        return self._render(
            "report_entity.html",
            kind=kind,
            entity_id=entity_id,
            name=entities.name_of(kind, row, entity_id),
            first=first,
            last=last,
            is_cut=MAX_KILLMAILS in (len(kills), len(losses)),
            kills=kills,
            losses=losses,
            isk_destroyed=_isk(kills),
            isk_lost=_isk(losses),
            drawing=_by_day(kills, losses, first, last),
            tables=[
                ("Ships killed", "ship", _counted(kills, "victim_ship_type_id", "victim_ship_name")),
                ("Ships lost", "ship", _counted(losses, "victim_ship_type_id", "victim_ship_name")),
                ("Where it killed", "system", _counted(kills, "solar_system_id", "solar_system_name")),
                ("Where it lost", "system", _counted(losses, "solar_system_id", "solar_system_name")),
            ],
            top_kills=_most_valuable(kills),
            top_losses=_most_valuable(losses),
            battles=battles.newest(connection, kind=kind.name, entity_id=entity_id, days=(first, last)),
        )

    def _render(self, template: str, **facts: Any) -> str:
        return self._environment.get_template(template).render(self._facts | facts)


def entity_of(text: str) -> tuple[Kind, int]:
    """What `corporation:98000001` names.

    Raises:
        UserError: it is not written so, or of another kind.
    """
    name, _, id_ = text.partition(":")
    if name not in REPORTED or not id_.isdigit() or len(id_) > 18:
        raise UserError(
            f"an entity is written as corporation:98000001, of the kinds {', '.join(REPORTED)}, not {text!r}"
        )
    return KINDS[name], int(id_)


def _isk(rows: Iterable[RowMapping]) -> float:
    return float(sum(row["total_value"] or 0 for row in rows))


def _counted(rows: Sequence[RowMapping], id_column: str, name_column: str) -> list[dict[str, Any]]:
    """The ids that most killmails have, with their number and ISK."""
    counts = Counter(row[id_column] for row in rows)
    names = {row[id_column]: row[name_column] for row in rows}
    isk: dict[int, float] = defaultdict(float)
    for row in rows:
        isk[row[id_column]] += float(row["total_value"] or 0)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return [{"id": id_, "name": names[id_], "killmails": count, "isk": isk[id_]} for id_, count in ordered]


def _most_valuable(rows: Sequence[RowMapping]) -> list[RowMapping]:
    return sorted(rows, key=lambda row: (-(row["total_value"] or 0), row["killmail_id"]))[:TOP]


def _by_day(kills: Sequence[RowMapping], losses: Sequence[RowMapping], first: date, last: date) -> Markup:
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    figure, axes = _figure()
    for rows, sign, colour, label in ((kills, 1, COLOURS[2], "destroyed"), (losses, -1, COLOURS[1], "lost")):
        isk: dict[date, float] = defaultdict(float)
        for row in rows:
            isk[row["killmail_time"].astimezone(UTC).date()] += float(row["total_value"] or 0) / 1e9
        axes.bar(days, [sign * isk[day] for day in days], width=0.9, color=colour, label=label)
    axes.set_ylabel("billion ISK by day")
    axes.axhline(0, color=COLOURS[5], linewidth=0.8)
    axes.legend(frameon=False)
    figure.autofmt_xdate()
    return _as_svg(figure, f"ISK destroyed and lost by day from {first} to {last}")


def _lost_so_far(rows: Sequence[RowMapping], names: Mapping[int, str]) -> Markup:
    figure, axes = _figure()
    for number, (side, name) in enumerate(names.items()):
        of_side = [row for row in rows if row["side"] == side]
        # An EVE name may contain a $, which would start a formula.
        label = name.replace("$", r"\$")
        times = [row["segment_start"] for row in of_side]
        lost = [float(row["isk_lost_so_far"]) / 1e9 for row in of_side]
        style = ("-", "--", "-.", ":")[number % 4]
        axes.step(times, lost, style, where="post", color=COLOURS[number % len(COLOURS)], label=label)
    axes.set_ylabel("billion ISK lost so far")
    axes.legend(frameon=False)
    figure.autofmt_xdate()
    return _as_svg(figure, "ISK that each side had lost, by time")


def _figure() -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure  # imported here: it takes half a second, and pages do not need it
    except ImportError:
        raise UserError("reports are drawn with matplotlib: pip install 'killreport-assets[dbt]'") from None
    figure = Figure(figsize=(9, 3), layout="constrained")
    return figure, figure.add_subplot()


def _as_svg(figure: Any, description: str) -> Markup:
    """A drawing as an image whose alternative text is its description."""
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return Markup('<img class="drawing" src="{}" alt="{}">').format(_data_uri(svg.getvalue().decode()), description)


def _data_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"

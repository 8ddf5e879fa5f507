"""Charts of marts, for their materializations in the UI. Imports no dagster.

Each is drawn from the mart's table after it is built; the caller handles errors, so that a chart never fails a build.
"""

import base64
import io
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from matplotlib.figure import Figure
from sqlalchemy.engine import Engine

DAYS = 60
SHIPS = 12
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
Rows = list[dict[str, Any]]


def _per_day(figure: Figure, rows: Rows) -> None:
    kills = figure.add_subplot()
    labels = [f"{row['killmail_date']:%Y-%m-%d}" for row in rows]
    kills.bar(labels, [row["kills"] for row in rows], color="#5b8db8")
    kills.set_ylabel("killmails")
    isk = kills.twinx()
    isk.plot(labels, [float(row["isk"]) / 1e9 for row in rows], color="#c0504d", linewidth=1.5)
    isk.set_ylabel("billion ISK")
    kills.set_xticks(range(0, len(labels), max(1, len(labels) // 8)))
    kills.tick_params(axis="x", labelrotation=45, labelsize=7)


def _hours(figure: Figure, rows: Rows) -> None:
    counts = [[0] * 24 for _ in WEEKDAYS]
    for row in rows:
        counts[row["weekday"] - 1][row["hour"]] = int(row["kills"])
    axes = figure.add_subplot()
    image = axes.imshow(counts, aspect="auto", cmap="inferno")
    axes.set_yticks(range(7), WEEKDAYS)
    axes.set_xticks(range(0, 24, 3))
    axes.set_xlabel("hour, UTC")
    figure.colorbar(image, label="killmails")


def _ships(figure: Figure, rows: Rows) -> None:
    axes = figure.add_subplot()
    rows = list(reversed(rows))
    # An EVE name may contain a $, which would start a formula.
    axes.barh([str(row["ship"]).replace("$", r"\$") for row in rows], [row["losses"] for row in rows], color="#5b8db8")
    axes.set_xlabel("losses")


CHARTS: dict[str, tuple[str, str, Callable[[Figure, Rows], None]]] = {
    "mart_region_daily": (
        f"killmails and ISK on the newest {DAYS} days that have any",
        f"""
        select * from (
            select killmail_date, sum(kills) as kills, sum(isk_destroyed) as isk from marts.mart_region_daily
            group by killmail_date order by killmail_date desc limit {DAYS}
        ) newest order by killmail_date
        """,
        _per_day,
    ),
    "mart_activity_hours": (
        "killmails by weekday and hour",
        """
        select weekday, hour, sum(kills) as kills from marts.mart_activity_hours
        where entity_kind = 'region' group by weekday, hour
        """,
        _hours,
    ),
    "mart_ship_type_all_time": (
        "ships most often lost",
        f"""
        select coalesce(entity_name, cast(ship_type_id as text)) as ship, losses
        from marts.mart_ship_type_all_time order by losses desc, ship_type_id limit {SHIPS}
        """,
        _ships,
    ),
}
"""By model: title, query, drawing function."""


def chart_of(model: str, engine: Engine) -> str | None:
    """The chart of a model as Markdown with an embedded PNG; None if the model has no chart, or its table is empty."""
    if model not in CHARTS:
        return None
    title, query, draw = CHARTS[model]
    with engine.connect() as connection:
        rows: Rows = [dict(row) for row in connection.execute(sa.text(query)).mappings()]
    if not rows:
        return None
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    draw(figure, rows)
    figure.suptitle(title, fontsize=10)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90)
    return f"![{title}](data:image/png;base64,{base64.b64encode(png.getvalue()).decode()})"

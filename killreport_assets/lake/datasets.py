"""Which tables the lake has, as datasets: their query, columns, order and partitions. Reading them is in rows.py.

Users, tokens and syncs are in no dataset.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from killreport_assets.store.changed_days import DAY
from killreport_assets.store.schema import statistics, tables, wars

Partition = Literal["day", "month", "whole"]
DAY_COLUMNS = ("killmail_date", "date", "observed_on", "month")
"""By the first of them that a mart or a table of prices has, its files are cut."""
BY_MONTH = (statistics.market_history, statistics.market_prices)
WHOLE = (
    tables.alliances,
    tables.corporations,
    tables.characters,
    tables.entity_names,
    tables.factions,
    tables.types,
    tables.groups,
    tables.categories,
    tables.market_groups,
    tables.meta_groups,
    tables.blueprint_materials,
    tables.inventory_flags,
    tables.systems,
    tables.constellations,
    tables.regions,
    *wars.WAR_TABLES,
)
FACTS = {
    "killmails": tables.killmails,
    "attackers": tables.killmail_attackers,
    "items": tables.killmail_items,
    "zkillboard_values": tables.zkillboard_values,
}
"""The facts, by day, killmails first."""
DATASETS = {table.name: table for table in (*WHOLE, *BY_MONTH)} | FACTS
"""Every dataset of `raw` by its name, in the order in which a lake is loaded back: what others refer to first."""
OF_A_DAY = {
    "zkillboard_values": "(select * from raw.zkillboard_values join (select killmail_id, killmail_time from "
    "raw.killmails) k using (killmail_id))"
}
"""What is read instead of a table that has no killmail_time."""
MARTS = """
    select c.relname, coalesce(obj_description(c.oid), ''),
        json_agg(json_build_array(
            a.attname, format_type(a.atttypid, a.atttypmod), coalesce(col_description(c.oid, a.attnum), '')
        ) order by a.attnum)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = to_regnamespace('marts') and c.relkind in ('r', 'v', 'm')
    group by c.oid, c.relname order by c.relname
"""


@dataclass(frozen=True)
class Column:
    """A column: its name, its type as PostgreSQL names it, and what it means."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Dataset:
    """A table of the lake."""

    name: str
    schema: str
    """`raw` or `marts`."""
    relation: str
    """What follows FROM."""
    description: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    partition: Partition = "whole"
    day: str = ""
    """The expression by which it is cut, unless it is whole."""

    def query(self, since: str | None = None, until: str | None = None) -> str:
        """The query of its rows in order, those of the days from `since` to before `until`."""
        columns = ", ".join(_selected(column, self.day) for column in self.columns)
        where = f" where {self.day} >= date '{since}' and {self.day} < date '{until}'" if since else ""
        if since and self.schema == "raw" and self.partition == "day":
            # By this PostgreSQL leaves out the partitions of other months.
            where += f" and killmail_time >= '{since} 00:00+00' and killmail_time < '{until} 00:00+00'"
        return f"select {columns} from {self.relation} t{where} order by {', '.join(self.order)}"


def _selected(column: Column, day: str) -> str:
    if column.name == "killmail_date" and day != "killmail_date":
        return f"{day} as killmail_date"
    return f'array_to_json("{column.name}")' if column.type.endswith("[]") else f'"{column.name}"'


def raw_datasets() -> list[Dataset]:
    """The datasets of `raw`."""
    dialect: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    found = []
    for name, table in DATASETS.items():
        columns = [Column(c.name, c.type.compile(dialect).lower(), c.comment or "") for c in table.columns]
        key = tuple(column.name for column in table.primary_key)
        day = ""
        partition: Partition = "whole"
        if name in FACTS:
            day, partition = DAY, "day"
            columns.insert(1, Column("killmail_date", "date", "UTC day of the kill"))
        elif table in BY_MONTH:
            day, partition = next(column for column in DAY_COLUMNS if column in table.columns), "month"
        found.append(
            Dataset(
                name,
                "raw",
                OF_A_DAY.get(name, table.fullname),
                table.comment or "",
                tuple(columns),
                key,
                partition,
                day,
            )
        )
    return found


def marts(connection: Connection) -> list[Dataset]:
    """The datasets of `marts`, as built: facts about killmails by day, marts with days by month, others whole."""
    found = []
    for name, description, described in connection.execute(sa.text(MARTS)):
        columns = tuple(Column(*column) for column in described)
        names = [column.name for column in columns]
        day = next((column for column in DAY_COLUMNS if column in names), "")
        is_fact = name.startswith("fct_")
        partition: Partition = "day" if is_fact and day and "killmail_id" in names else "whole"
        partition = "month" if day and not is_fact else partition
        found.append(Dataset(name, "marts", f"marts.{name}", description, columns, _order(names, day), partition, day))
    return found


def _order(names: Sequence[str], day: str) -> tuple[str, ...]:
    """By day and then by every other column that can be compared: the same rows are the same file."""
    ids = [
        name for name in names if name.endswith(("_id", "_index", "_kind", "period", "metric", "rank", "name", "model"))
    ]
    rest = [name for name in names if name not in ids and name != day]
    return tuple(f'"{name}"' for name in [*([day] if day else []), *ids, *rest])

"""Reading the marts for pages and programs: an entity's numbers, rankings, and what the last build knew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.store.previews import row_count
from killreport_assets.store.schema.killmails import killmails
from killreport_assets.web.database import has_mart
from killreport_assets.web.entities import Kind

TOP = 10


@dataclass(frozen=True)
class State:
    """What the marts hold: killmails in them, and stored; the newest; when they were built and for which day."""

    killmails: int
    stored: int
    newest: datetime | None
    last_day: date | None
    built_at: datetime | None
    as_of: date | None


def state_of(connection: Connection) -> State:
    """Read what the last build left; all unknown where there was none."""
    built = connection.execute(
        sa.text("select built_at, as_of from ops.transform_builds where cadence = 'frequent'")
    ).one_or_none()
    stored = row_count(connection, killmails)
    if built is None:
        return State(0, stored, None, None, None, None)
    counted = connection.execute(sa.text("select coalesce(sum(kills), 0) from marts.mart_system_all_time"))
    day = last_day(connection)
    newest = connection.execute(
        sa.text("select max(killmail_time) from marts.fct_killmails where killmail_date = :day"), {"day": day}
    ).scalar_one()
    return State(int(counted.scalar_one()), stored, newest, day, built.built_at, built.as_of)


def last_day(connection: Connection) -> date | None:
    """The UTC day of the newest killmail in the marts, once they are built."""
    day: date | None = connection.execute(sa.text("select max(killmail_date) from marts.fct_killmails")).scalar_one()
    return day


def as_of(connection: Connection) -> date | None:
    """The day that counted as today in the last build; None without any."""
    query = sa.text("select as_of from ops.transform_builds where cadence = 'frequent'")
    day: date | None = connection.execute(query).scalar()
    return day


def build_version(connection: Connection) -> str:
    """What changes with every build and only then: the base of ETags."""
    rows = connection.execute(
        sa.text(
            "select cadence, built_at from ops.transform_builds where cadence in ('frequent', 'nightly') order by 1"
        )
    )
    return ",".join(f"{row.cadence}@{row.built_at.timestamp():.6f}" for row in rows) or "not built"


def is_built(connection: Connection) -> bool:
    """Whether a build has made the marts."""
    return has_mart(connection, "mart_leaderboards")


def has_monthly_marts(connection: Connection) -> bool:
    """Whether the nightly models were built."""
    return has_mart(connection, "mart_rivalries")


def totals_of(connection: Connection, kind: Kind, ids: Sequence[int]) -> dict[int, RowMapping]:
    """The all-time numbers of entities, by id; those without a killmail are left out."""
    query = f"select * from marts.mart_{kind.name}_all_time where {kind.name}_id = any(:ids)"
    return {row[f"{kind.name}_id"]: row for row in connection.execute(sa.text(query), {"ids": list(ids)}).mappings()}


def totals(connection: Connection, kind: Kind, entity_id: int) -> RowMapping | None:
    """An entity's all-time numbers; None without a killmail."""
    return totals_of(connection, kind, [entity_id]).get(entity_id)


def enrichments_of(connection: Connection, killmail_ids: Sequence[int]) -> list[RowMapping]:
    """What these killmails caused to be fetched."""
    query = sa.text("""
        select * from marts.fct_enrichments where killmail_id = any(:ids) order by killmail_id, entity_kind, entity_id
    """)
    return list(connection.execute(query, {"ids": list(killmail_ids)}).mappings())


def by_month(connection: Connection, kind: Kind, entity_id: int) -> list[RowMapping]:
    """An entity's numbers by month, oldest first."""
    query = f"select * from marts.mart_{kind.name}_monthly where {kind.name}_id = :id order by month"
    return list(connection.execute(sa.text(query), {"id": entity_id}).mappings())


def by_day(connection: Connection, kind: Kind, entity_id: int, since: date, until: date) -> list[RowMapping]:
    """An entity's numbers by day, oldest first."""
    query = (
        f"select * from marts.mart_{kind.name}_daily "
        f"where {kind.name}_id = :id and killmail_date between :since and :until order by killmail_date"
    )
    return list(connection.execute(sa.text(query), {"id": entity_id, "since": since, "until": until}).mappings())


def of_day(connection: Connection, day: date) -> RowMapping:
    """A day's kills and ISK destroyed, everywhere."""
    query = sa.text("""
        select killmail_date, cast(sum(kills) as bigint) as kills, sum(isk_destroyed) as isk_destroyed
        from marts.mart_system_daily where killmail_date = :day group by 1
    """)
    return connection.execute(query, {"day": day}).mappings().one()


def leaders(
    connection: Connection, kind: Kind, metric: str, period: str = "90 days", limit: int = TOP
) -> list[RowMapping]:
    """The best of a kind by a metric in a period of the last build."""
    query = """
        select rank, entity_id, entity_name, value, unpriced_killmails, as_of from marts.mart_leaderboards
        where entity_kind = :kind and metric = :metric and period = :period and rank <= :limit order by rank
    """
    asked = {"kind": kind.name, "metric": metric, "period": period, "limit": limit}
    return list(connection.execute(sa.text(query), asked).mappings())


def top_losses(connection: Connection, day: date | None, limit: int = TOP) -> list[RowMapping]:
    """The most valuable losses of a day."""
    query = "select * from marts.mart_top_losses where killmail_date = :day and rank <= :limit order by rank"
    return list(connection.execute(sa.text(query), {"day": day, "limit": limit}).mappings())


def hours(connection: Connection, kind: Kind, entity_id: int) -> dict[tuple[int, int], int]:
    """Killmails by weekday (1 to 7, Monday first) and hour, all months."""
    query = """
        select weekday, hour, cast(sum(kills + losses) as bigint) as killmails from marts.mart_activity_hours
        where entity_kind = :kind and entity_id = :id group by 1, 2
    """
    rows = connection.execute(sa.text(query), {"kind": kind.name, "id": entity_id})
    return {(row.weekday, row.hour): row.killmails for row in rows}


def regions(connection: Connection, day: date) -> list[RowMapping]:
    """Every region that killmails have: kills of all time, of a day, and of the week that ends with it."""
    query = """
        select all_time.region_id, max(all_time.entity_name) as entity_name, max(all_time.kills) as kills,
               cast(coalesce(sum(daily.kills) filter (where daily.killmail_date = :day), 0) as bigint) as day,
               cast(coalesce(sum(daily.kills), 0) as bigint) as week
        from marts.mart_region_all_time as all_time
        left join marts.mart_region_daily as daily
            on daily.region_id = all_time.region_id and daily.killmail_date between :day - 6 and :day
        group by all_time.region_id order by week desc, kills desc, all_time.region_id
    """
    return list(connection.execute(sa.text(query), {"day": day}).mappings())


def ships_used(connection: Connection, kind: Kind, entity_id: int, limit: int = TOP) -> list[RowMapping]:
    """The hulls that an entity attacked with most, all months."""
    return _summed(connection, "mart_ships_used", kind, entity_id, "ship_type_id", "kills", ("kills", "pilots"), limit)


def ships_lost(connection: Connection, kind: Kind, entity_id: int, limit: int = TOP) -> list[RowMapping]:
    """The hulls that an entity lost most, all months."""
    return _summed(
        connection, "mart_ships_lost", kind, entity_id, "ship_type_id", "losses", ("losses", "isk_lost"), limit
    )


def places(connection: Connection, kind: Kind, entity_id: int, limit: int = TOP) -> list[RowMapping]:
    """The systems in which an entity was on most killmails, all months."""
    return _summed(
        connection,
        "mart_systems",
        kind,
        entity_id,
        "solar_system_id",
        "kills",
        ("kills", "losses", "isk_destroyed"),
        limit,
    )


def companions(connection: Connection, kind: Kind, entity_id: int, limit: int = TOP) -> list[RowMapping]:
    """With whom an entity attacked most, all months."""
    return _summed(
        connection, "mart_flies_with", kind, entity_id, "with_id", "kills", ("kills", "isk_destroyed"), limit
    )


def rivals(
    connection: Connection, kind: Kind, entity_id: int, *, are_victims: bool = True, limit: int = TOP
) -> list[RowMapping]:
    """Whom an entity killed most, or by whom it was killed most, all months."""
    own, other = ("attacker", "victim") if are_victims else ("victim", "attacker")
    query = f"""
        select {other}_id as id, max({other}_name) as name, cast(sum(kills) as bigint) as kills,
               sum(isk_destroyed) as isk_destroyed, cast(sum(kills_as_main_party) as bigint) as kills_as_main_party
        from marts.mart_rivalries where entity_kind = :kind and {own}_id = :id
        group by {other}_id having sum(kills) > 0 order by sum(kills) desc, {other}_id limit :limit
    """
    return list(connection.execute(sa.text(query), {"kind": kind.name, "id": entity_id, "limit": limit}).mappings())


def _summed(
    connection: Connection,
    mart: str,
    kind: Kind,
    entity_id: int,
    key: str,
    order: str,
    sums: tuple[str, ...],
    limit: int,
) -> list[RowMapping]:
    name = f"{key.removesuffix('_id')}_name"
    numbers = ", ".join(f"sum({column}) as {column}" for column in sums)
    query = f"""
        select {key} as id, max({name}) as name, {numbers} from marts.{mart}
        where entity_kind = :kind and entity_id = :id
        group by {key} having sum({order}) > 0 order by sum({order}) desc, {key} limit :limit
    """
    return list(connection.execute(sa.text(query), {"kind": kind.name, "id": entity_id, "limit": limit}).mappings())


def dictionary(connection: Connection) -> list[RowMapping]:
    """Every definition of a number, in the dictionary's order."""
    return list(connection.execute(sa.text("select * from marts.mart_metrics")).mappings())


def definition_changes(connection: Connection) -> list[RowMapping]:
    """Every change of a definition, the newest first."""
    if not has_mart(connection, "mart_metric_changes"):  # built by an older release
        return []
    query = "select * from marts.mart_metric_changes order by changed_on desc, model, name, version"
    return list(connection.execute(sa.text(query)).mappings())


def days(connection: Connection, limit: int = 60) -> list[RowMapping]:
    """The newest days with killmails: how many by source and of those known, their ISK, how many have no price."""
    query = """
        select killmail_date, count(*) as killmails, sum(total_value) as isk,
               count(*) filter (where not is_hull_priced) as unpriced,
               count(*) filter (where source = 'r2z2') as r2z2, count(*) filter (where source = 'everef') as everef,
               count(*) filter (where source = 'zkillboard') as zkillboard,
               count(*) filter (where source = 'esi') as esi,
               min(coverage) as coverage
        from marts.fct_killmails left join marts.fct_completeness using (killmail_date)
        where killmail_date >= (
            select min(killmail_date) from (
                select distinct killmail_date from marts.mart_region_daily order by killmail_date desc limit :limit
            ) newest)
        group by killmail_date order by killmail_date desc
    """
    return list(connection.execute(sa.text(query), {"limit": limit}).mappings())


def completeness(connection: Connection) -> list[RowMapping]:
    """By month, of the days that were compared with a source: killmails that are known to exist, and those stored.

    `share` is that of the stored ones, 1 where none is known.
    """
    query = """
        select cast(date_trunc('month', killmail_date) as date) as month, count(*) as days,
               count(*) filter (where is_complete) as complete_days, sum(known_killmails) as known,
               sum(stored_killmails) as stored, sum(missing_for_good) as missing_for_good,
               coalesce(cast(sum(stored_killmails) / nullif(sum(known_killmails), 0) as float), 1) as share
        from marts.fct_completeness where coverage is not null group by 1 order by 1
    """
    return list(connection.execute(sa.text(query)).mappings())

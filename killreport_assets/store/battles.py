"""Reading what battles are found in, and writing what was found: schema `derived`."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.models.ids import LAST_NPC_CHARACTER, LAST_NPC_CORPORATION
from killreport_assets.store.changed_days import BATTLES, changed_after, mark_days, note_built
from killreport_assets.store.rows import write_rows
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.battles import BATTLE_TABLES, battle_killmails, battles, former_battles
from killreport_assets.store.schema.columns import Row

_PARTY = f"""
    case
        when {{0}}alliance_id is not null then {{0}}alliance_id
        when {{0}}corporation_id > {LAST_NPC_CORPORATION} then {{0}}corporation_id
        when {{0}}character_id > {LAST_NPC_CHARACTER} then coalesce({{0}}faction_id, {{0}}character_id)
    end as party,
    case
        when {{0}}alliance_id is not null then 'alliance'
        when {{0}}corporation_id > {LAST_NPC_CORPORATION} then 'corporation'
        when {{0}}faction_id is not null then 'faction'
        else 'character'
    end as party_kind
"""
"""The party of a victim or an attacker, and its kind; null for NPCs."""
_PILOT = f"case when {{0}}character_id > {LAST_NPC_CHARACTER} then {{0}}character_id else 0 end"


def stargates(connection: Connection) -> dict[int, frozenset[int]]:
    """By solar system: the systems that its stargates lead to."""
    found: dict[int, set[int]] = {}
    for system_id, destination_id in connection.execute(sa.select(*tables.stargates.primary_key)):
        found.setdefault(system_id, set()).add(destination_id)
    return {system_id: frozenset(destinations) for system_id, destinations in found.items()}


def replace_stargates(connection: Connection, rows: Sequence[Row]) -> int:
    """Store which systems are a stargate apart, in place of what was stored; returns the rows.

    Battles reach over stargates: if any changed, they are found again.
    """
    table = tables.stargates
    known = {tuple(row) for row in connection.execute(sa.select(*table.primary_key))}
    given = {(row["system_id"], row["destination_system_id"]) for row in rows}
    if known != given:
        connection.execute(sa.delete(table))
        write_rows(connection, table, rows)
        forget_found(connection)
    return len(rows)


def days_with_new_killmails(connection: Connection) -> list[date] | None:
    """The days of killmails that came since battles were last found; None: battles were not found yet."""
    snapshot = connection.execute(
        sa.text("select snapshot from ops.transform_builds where cadence = :battles"), {"battles": BATTLES}
    ).scalar()
    return None if snapshot is None else changed_after(connection, snapshot, by_killmails_alone=True)


def note_found(connection: Connection, snapshot: str) -> None:
    """Record that battles have what this snapshot shows."""
    note_built(connection, BATTLES, snapshot)


def forget_found(connection: Connection) -> None:
    """Let battles be found again among all killmails."""
    connection.execute(sa.text("delete from ops.transform_builds where cadence = :battles"), {"battles": BATTLES})


def busy_systems(
    connection: Connection, since: datetime, until: datetime, segment_seconds: int, killmails: int
) -> list[Row]:
    """Where and when as many killmails are in one segment: `system_id`, `start` and `until` by system."""
    rows = connection.execute(
        sa.text("""
        select solar_system_id as system_id, to_timestamp(segment * :seconds) as start,
            to_timestamp((segment + 1) * :seconds) as until
        from (
            select solar_system_id, floor(extract(epoch from killmail_time) / :seconds) as segment
            from raw.killmails where killmail_time >= :since and killmail_time < :until
            group by 1, 2 having count(*) >= :killmails
        ) as segments
        order by 1, 2
        """),
        {"seconds": segment_seconds, "since": since, "until": until, "killmails": killmails},
    )
    return [dict(row._mapping) for row in rows]


def killmails_of(connection: Connection, places: Sequence[Row]) -> list[Row]:
    """The killmails of players in systems during times (`system_id`, `start`, `until`).

    Rows of killmail_id, killmail_time, solar_system_id, the victim's party, party_kind and pilot; 0 is no pilot.
    """
    rows = connection.execute(
        sa.text(f"""
        with places as (
            select * from unnest(
                cast(:systems as bigint[]), cast(:starts as timestamptz[]), cast(:ends as timestamptz[])
            ) as places (system_id, start, until)
        )
        select killmail_id, killmail_time, solar_system_id, party, party_kind, pilot from (
            select killmail_id, killmail_time, solar_system_id,
                {_PARTY.format("victim_")}, {_PILOT.format("victim_")} as pilot
            from raw.killmails where killmail_time >= :first and killmail_time < :last
        ) as k
        where party is not null and exists (
            select from places p
            where p.system_id = k.solar_system_id and k.killmail_time >= p.start and k.killmail_time < p.until
        )
        """),
        {
            "systems": [place["system_id"] for place in places],
            "starts": [place["start"] for place in places],
            "ends": [place["until"] for place in places],
            "first": min(place["start"] for place in places),
            "last": max(place["until"] for place in places),
        },
    )
    return [dict(row._mapping) for row in rows]


def attackers_of(connection: Connection, killmail_ids: Sequence[int], first: datetime, last: datetime) -> list[Row]:
    """The attackers of killmails, from `first` to `last`, without NPCs.

    Rows of killmail_id, party, party_kind, pilot, damage_done, final_blow.
    """
    rows = connection.execute(
        sa.text(f"""
        select killmail_id, party, party_kind, pilot, damage_done, final_blow from (
            select killmail_id, attacker_index, damage_done, final_blow,
                {_PARTY.format("")}, {_PILOT.format("")} as pilot
            from raw.killmail_attackers join unnest(cast(:ids as bigint[])) as ids (killmail_id) using (killmail_id)
            where killmail_time >= :first and killmail_time <= :last
        ) as a
        where party is not null order by killmail_id, attacker_index
        """),
        {"ids": list(killmail_ids), "first": first, "last": last},
    )
    return [dict(row._mapping) for row in rows]


def known_between(connection: Connection, since: datetime, until: datetime) -> set[int]:
    """The killmails of known battles in this time."""
    query = sa.select(battle_killmails.c.killmail_id).where(
        battle_killmails.c.killmail_time >= since, battle_killmails.c.killmail_time < until
    )
    return set(connection.execute(query).scalars())


def known_with(connection: Connection, killmail_ids: Iterable[int]) -> dict[int, dict[int, datetime]]:
    """The known battles that have one of these killmails: all of their killmails and times, by battle."""
    rows = connection.execute(
        sa.text("""
        select battle_id, killmail_id, killmail_time from derived.battle_killmails
        where battle_id in (select battle_id from derived.battle_killmails where killmail_id = any(:ids))
        """),
        {"ids": list(killmail_ids)},
    )
    found: dict[int, dict[int, datetime]] = {}
    for battle_id, killmail_id, killmail_time in rows:
        found.setdefault(battle_id, {})[killmail_id] = killmail_time
    return found


def stored(connection: Connection, battle_ids: Iterable[int]) -> dict[str, set[tuple[object, ...]]]:
    """The rows of these battles, by table."""
    ids = list(battle_ids)
    return {
        table.name: {
            tuple(row) for row in connection.execute(sa.select(table).where(tables.among(table.c.battle_id, ids)))
        }
        for table in BATTLE_TABLES
    }


def replace(
    connection: Connection, former: Iterable[int], rows: dict[str, list[Row]], moved: dict[int, int | None]
) -> None:
    """Write battles in place of former ones, mark the days of both, and keep the ids that are no battle's any more.

    `moved`: by former id the battle that has its killmails now, or None.
    """
    ids = list(former)
    mark_days(connection, "select killmail_date from derived.battles where battle_id = any(:ids)", {"ids": ids})
    for table in reversed(BATTLE_TABLES):
        connection.execute(sa.delete(table).where(tables.among(table.c.battle_id, ids)))
    for table in BATTLE_TABLES:
        if rows[table.name]:
            write_rows(connection, table, rows[table.name])
    written = [row["battle_id"] for row in rows[battles.name]]
    mark_days(connection, "select killmail_date from derived.battles where battle_id = any(:ids)", {"ids": written})
    connection.execute(sa.delete(former_battles).where(tables.among(former_battles.c.former_battle_id, written)))
    for former_id, battle_id in moved.items():
        connection.execute(
            sa.update(former_battles)
            .where(former_battles.c.battle_id == former_id)
            .values(battle_id=battle_id, changed_at=sa.func.now())
        )
        write_rows(connection, former_battles, [{"former_battle_id": former_id, "battle_id": battle_id}])

"""Open alliances, and their corporations: `raw.alliance_corporations`."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def recently_listed(connection: Connection, alliance_ids: Sequence[int], within: timedelta) -> set[int]:
    """Which of the alliances had their corporations listed within this time."""
    rows = connection.execute(
        sa.text("""
        select alliance_id from raw.alliance_corporations
        where alliance_id = any(cast(:ids as bigint[])) group by alliance_id
        having max(listed_at) > now() - cast(:within as interval)
        """),
        {"ids": list(alliance_ids), "within": within},
    )
    return set(rows.scalars())


def open_alliances(connection: Connection) -> list[int]:
    """Known alliances that are neither gone nor closed."""
    query = "select alliance_id from raw.alliances where gone_at is null and closed_at is null order by 1"
    return list(connection.execute(sa.text(query)).scalars())


def reopen_alliances(connection: Connection, alliance_ids: Sequence[int]) -> None:
    """Reopen closed alliances that ESI lists, even if their lists of corporations were empty."""
    connection.execute(
        sa.text("""
        update raw.alliances set closed_at = null
        where closed_at is not null and alliance_id = any(cast(:ids as bigint[]))
        """),
        {"ids": list(alliance_ids)},
    )


def write_alliance_corporations(connection: Connection, lists: dict[int, list[int]]) -> None:
    """Replace the corporation lists of alliances; an alliance without corporations is closed."""
    alliances = sorted(lists)
    pairs = [(alliance, corporation) for alliance in alliances for corporation in sorted(lists[alliance])]
    connection.execute(
        sa.text("""
        delete from raw.alliance_corporations known where alliance_id = any(cast(:alliances as bigint[]))
            and not exists (
                select from unnest(cast(:owners as bigint[]), cast(:corporations as bigint[])) as given (a, c)
                where a = known.alliance_id and c = known.corporation_id)
        """),
        {"alliances": alliances, "owners": [p[0] for p in pairs], "corporations": [p[1] for p in pairs]},
    )
    connection.execute(
        sa.text("""
        insert into raw.alliance_corporations (alliance_id, corporation_id)
        select * from unnest(cast(:owners as bigint[]), cast(:corporations as bigint[])) order by 1, 2
        on conflict (alliance_id, corporation_id) do update set listed_at = now()
        """),
        {"owners": [p[0] for p in pairs], "corporations": [p[1] for p in pairs]},
    )
    connection.execute(
        sa.text("""
        update raw.alliances set closed_at = case
            when alliance_id = any(cast(:empty as bigint[])) then coalesce(closed_at, now()) end
        where alliance_id = any(cast(:alliances as bigint[]))
            and (closed_at is null) = (alliance_id = any(cast(:empty as bigint[])))
        """),
        {"alliances": alliances, "empty": [alliance for alliance in alliances if not lists[alliance]]},
    )


def corporations_of_characters_and_alliances(connection: Connection) -> list[int]:
    """Corporations of known characters, of alliances' lists, and alliances' executors and creators."""
    rows = connection.execute(
        sa.text("""
        select corporation_id from raw.characters where corporation_id is not null
        union select corporation_id from raw.alliance_corporations
        union select executor_corporation_id from raw.alliances where executor_corporation_id is not null
        union select creator_corporation_id from raw.alliances where creator_corporation_id is not null
        """)
    )
    return list(rows.scalars())

"""Characters' corporations, alliances and factions over time: `raw.character_affiliations`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_SEEN = """
    unnest(cast(:characters as bigint[]), cast(:corporations as bigint[]), cast(:alliances as bigint[]),
           cast(:factions as bigint[])) as seen (character_id, corporation_id, alliance_id, faction_id)
"""
_SAME = """
    (known.corporation_id, known.alliance_id, known.faction_id)
    is not distinct from (seen.corporation_id, seen.alliance_id, seen.faction_id)
"""


@dataclass(frozen=True)
class CharacterAffiliation:
    """A character's current corporation, alliance and faction."""

    character_id: int
    corporation_id: int
    alliance_id: int | None
    faction_id: int | None


def _parameters(affiliations: Sequence[CharacterAffiliation]) -> dict[str, object]:
    """The parameters of `_SEEN`: the last affiliation of each character."""
    latest = {affiliation.character_id: affiliation for affiliation in affiliations}
    return {
        "characters": list(latest),
        "corporations": [a.corporation_id for a in latest.values()],
        "alliances": [a.alliance_id for a in latest.values()],
        "factions": [a.faction_id for a in latest.values()],
    }


def _insert_unless(connection: Connection, values: Mapping[str, object], unless_known: str) -> None:
    """Insert a row for each seen affiliation, unless its character has a row that meets the condition."""
    connection.execute(
        sa.text(f"""
        insert into raw.character_affiliations
            (character_id, valid_from, corporation_id, alliance_id, faction_id, confirmed_at)
        select seen.character_id, :at, seen.corporation_id, seen.alliance_id, seen.faction_id, :at from {_SEEN}
        where not exists (
            select from raw.character_affiliations known
            where known.character_id = seen.character_id and ({unless_known}))
        order by seen.character_id
        on conflict do nothing
        """),
        values,
    )


def record_first_affiliations(
    connection: Connection, affiliations: Sequence[CharacterAffiliation], seen_at: datetime
) -> None:
    """Store the affiliations of characters that have none yet.

    For bodies of characters: ESI caches them for a day, so their affiliation may be older than the stored one.
    """
    _insert_unless(connection, _parameters(affiliations) | {"at": seen_at}, "true")


def record_affiliations(connection: Connection, affiliations: Sequence[CharacterAffiliation], seen_at: datetime) -> int:
    """Store observed affiliations: confirm equal ones, close changed ones; returns how many have changed.

    An observation that is older than the character's last one changes nothing.
    """
    if not affiliations:
        return 0
    values = _parameters(affiliations) | {"at": seen_at}
    connection.execute(  # one lock order for all processes prevents deadlocks
        sa.text("""
        select from raw.character_affiliations
        where valid_to is null and character_id = any(cast(:characters as bigint[])) order by character_id for update
        """),
        {"characters": values["characters"]},
    )
    connection.execute(
        sa.text(f"""
        update raw.character_affiliations known set confirmed_at = :at from {_SEEN}
        where known.character_id = seen.character_id and known.valid_to is null and known.confirmed_at < :at and {_SAME}
        """),
        values,
    )
    changed = connection.execute(
        sa.text(f"""
        update raw.character_affiliations known set valid_to = :at from {_SEEN}
        where known.character_id = seen.character_id and known.valid_to is null and known.confirmed_at < :at
            and not ({_SAME})
        """),
        values,
    ).rowcount
    _insert_unless(connection, values, "known.valid_to is null or known.valid_to > :at")
    return changed


def copy_to_characters(connection: Connection, affiliations: Sequence[CharacterAffiliation]) -> int:
    """Copy current affiliations to raw.characters; returns how many rows changed."""
    return connection.execute(
        sa.text(f"""
        with chosen as (
            select known.character_id from raw.characters known join {_SEEN} using (character_id)
            where not ({_SAME}) order by known.character_id for update of known
        )
        update raw.characters c
        set corporation_id = seen.corporation_id, alliance_id = seen.alliance_id, faction_id = seen.faction_id
        from chosen join {_SEEN} using (character_id) where c.character_id = chosen.character_id
        """),
        _parameters(affiliations),
    ).rowcount


def outdated_characters(connection: Connection, ttl: timedelta, after: int, limit: int) -> list[int]:
    """Known characters with ids above `after` whose affiliation was last fetched longer than `ttl` ago."""
    rows = connection.execute(
        sa.text("""
        select c.character_id from raw.characters c
        left join raw.character_affiliations a on a.character_id = c.character_id and a.valid_to is null
        where c.gone_at is null and c.character_id > :after
            and (a.confirmed_at is null or a.confirmed_at < now() - cast(:ttl as interval))
            and not exists (
                select from ops.entity_pending p where p.entity_kind = 'character' and p.entity_id = c.character_id)
        order by c.character_id limit :limit
        """),
        {"ttl": ttl, "after": after, "limit": limit},
    )
    return list(rows.scalars())

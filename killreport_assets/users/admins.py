"""Who of those that have signed in may do what operators do."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def first_of(connection: Connection, character_ids: Sequence[int], admins: Sequence[int]) -> int | None:
    """The first of these characters that is one of the admins, by itself, its corporation or its alliance.

    Corporation and alliance are those that ESI last said, at most KILLREPORT_AFFILIATION_TTL_HOURS ago where its
    schedule is on.
    """
    found: int | None = connection.execute(
        sa.text("""
        select s.character_id from ops.sign_ins s
        left join raw.character_affiliations a on a.character_id = s.character_id and a.valid_to is null
        where s.character_id = any(:characters) and s.state = 'active'
            and (s.character_id = any(:admins) or coalesce(a.corporation_id, s.corporation_id) = any(:admins)
                or a.alliance_id = any(:admins))
        order by array_position(cast(:characters as bigint[]), s.character_id) limit 1
        """),
        {"characters": list(character_ids), "admins": list(admins)},
    ).scalar()
    return found

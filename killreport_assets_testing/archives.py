"""Made killmails of one day, as EVE Ref's archives have them."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.generated import GeneratedKillmails
from killreport_assets.sandbox.world import World

DAY = date(2014, 7, 1)


@cache
def made_bodies(count: int) -> list[KillmailBody]:
    """So many made killmails of `DAY`, in the order of their ids and times."""
    made = GeneratedKillmails(World(), seed=11, profile="history")
    first = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    return [KillmailBody(*killmail) for killmail in made.spread(count, first, first + timedelta(hours=23))]


def members_of(bodies: Sequence[KillmailBody]) -> list[bytes]:
    """The members of an archive: bodies with their hashes and the time when EVE Ref got them."""
    added = {"http_last_modified": "2016-03-01T00:00:00Z"}
    return [json.dumps(body.body | {"killmail_hash": body.hash} | added).encode() for body in bodies]

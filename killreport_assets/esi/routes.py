"""The ESI routes that KillReport uses, with their token buckets. Source: the official specification, 2026-08-18."""

from dataclasses import dataclass
from datetime import timedelta

from killreport_assets.http.token_bucket import TokenBucket

ERROR_LIMIT_HEADROOM = 20
"""Errors of the error limit that are left unused."""
ERROR_LIMIT = TokenBucket(
    "errors",
    100 - ERROR_LIMIT_HEADROOM,
    timedelta(minutes=1),
    success=0,
    not_modified=0,
    client_error=1,
    server_error=1,
)
"""The limit of every route without a group: 100 errors a minute, after which all of ESI answers 420."""
KILLMAIL = TokenBucket("killmail", 3_600, timedelta(minutes=15))
CHARACTER_KILLMAILS = TokenBucket("char-killmail", 30, timedelta(minutes=15))
CORPORATION_KILLMAILS = TokenBucket("corp-killmail", 30, timedelta(minutes=15))
STATUS = TokenBucket("status", 600, timedelta(minutes=15))
SOVEREIGNTY = TokenBucket("sovereignty", 600, timedelta(minutes=15))

CHARACTER_SCOPE = "esi-killmails.read_killmails.v1"
CORPORATION_SCOPE = "esi-killmails.read_corporation_killmails.v1"


@dataclass(frozen=True)
class Route:
    """A path template and the token bucket that pays for it."""

    template: str
    bucket: TokenBucket = ERROR_LIMIT


SERVER_STATUS = Route("/status", STATUS)
KILLMAIL_DETAIL = Route("/killmails/{killmail_id}/{killmail_hash}", KILLMAIL)
WARS = Route("/wars", KILLMAIL)
WAR = Route("/wars/{war_id}", KILLMAIL)
SOVEREIGNTY_CAMPAIGNS = Route("/sovereignty/campaigns", SOVEREIGNTY)
RECENT_OF_CHARACTER = Route("/characters/{character_id}/killmails/recent", CHARACTER_KILLMAILS)
RECENT_OF_CORPORATION = Route("/corporations/{corporation_id}/killmails/recent", CORPORATION_KILLMAILS)
ALLIANCES = Route("/alliances")
ALLIANCE = Route("/alliances/{alliance_id}")
ALLIANCE_CORPORATIONS = Route("/alliances/{alliance_id}/corporations")
NPC_CORPORATIONS = Route("/corporations/npccorps")
CORPORATION = Route("/corporations/{corporation_id}")
CHARACTER = Route("/characters/{character_id}")
AFFILIATIONS = Route("/characters/affiliation")
NAMES = Route("/universe/names")
TYPE = Route("/universe/types/{type_id}")
GROUP = Route("/universe/groups/{group_id}")
CATEGORY = Route("/universe/categories/{category_id}")
SYSTEM = Route("/universe/systems/{system_id}")
CONSTELLATION = Route("/universe/constellations/{constellation_id}")
REGION = Route("/universe/regions/{region_id}")
MARKET_PRICES = Route("/markets/prices")

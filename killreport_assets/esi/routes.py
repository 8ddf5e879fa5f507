"""The ESI routes that KillReport asks, with their rate-limit groups. Source: the official specification, 2026-08-18."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class TokenBucket:
    """A limit in tokens for any window of that length, for each address; what an answer costs depends on its status."""

    group: str
    max_tokens: int
    window: timedelta
    success: int = 2
    not_modified: int = 1
    client_error: int = 5
    server_error: int = 0
    holder: str = ""
    """Whose it is, application and character, where a route needs a token: each has a bucket of its own."""

    def __str__(self) -> str:
        return f"{self.group}:{self.holder}" if self.holder else self.group

    @property
    def most(self) -> int:
        """The most that one request can cost: booked until its answer is known."""
        return max(self.success, self.not_modified, self.client_error, self.server_error)

    @property
    def is_error_limit(self) -> bool:
        """Whether it counts errors, not tokens: a success costs nothing."""
        return self.success == 0

    def cost_of(self, status: int | None) -> int:
        """The tokens that an answer of this status costs (CCP's rate-limiting page); a 429 itself costs nothing.

        Without an answer (None) nobody knows: what it most likely did.
        """
        if status is None:
            return max(self.success, self.server_error)
        if status == 429:
            return 0
        by_class = {2: self.success, 3: self.not_modified, 4: self.client_error}
        return by_class.get(status // 100, self.server_error)


ERROR_LIMIT_HEADROOM = 20
"""Errors of the legacy limit that we leave unused."""
ERROR_LIMIT = TokenBucket(
    "errors", 100 - ERROR_LIMIT_HEADROOM, timedelta(minutes=1),
    success=0, not_modified=0, client_error=1, server_error=1,
)  # fmt: skip
"""The limit of every route without a group: 100 errors a minute, after which all of ESI answers 420."""
KILLMAIL = TokenBucket("killmail", 3_600, timedelta(minutes=15))
CHARACTER_KILLMAILS = TokenBucket("char-killmail", 30, timedelta(minutes=15))
CORPORATION_KILLMAILS = TokenBucket("corp-killmail", 30, timedelta(minutes=15))
STATUS = TokenBucket("status", 600, timedelta(minutes=15))


@dataclass(frozen=True)
class Route:
    """One operation."""

    template: str
    bucket: TokenBucket = ERROR_LIMIT


SERVER_STATUS = Route("/status", STATUS)
KILLMAIL_DETAIL = Route("/killmails/{killmail_id}/{killmail_hash}", KILLMAIL)
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

"""The ESI routes that KillReport asks, with their rate-limit groups. Source: the official specification, 2026-08-18."""

from dataclasses import dataclass
from datetime import timedelta

TOKENS_2XX, TOKENS_3XX, TOKENS_4XX, TOKENS_5XX = 2, 1, 5, 0
"""What an answer costs in a token bucket (CCP's rate-limiting page); a 429 itself costs nothing."""
MOST_TOKENS = TOKENS_4XX


@dataclass(frozen=True)
class TokenBucket:
    """A rate-limit group: so many tokens in any window of that length, for each address."""

    group: str
    max_tokens: int
    window: timedelta


KILLMAIL = TokenBucket("killmail", 3_600, timedelta(minutes=15))


@dataclass(frozen=True)
class Route:
    """One operation; without a bucket it is under the error limit only."""

    template: str
    bucket: TokenBucket | None = None


KILLMAIL_DETAIL = Route("/killmails/{killmail_id}/{killmail_hash}", KILLMAIL)
ALLIANCE = Route("/alliances/{alliance_id}")
CORPORATION = Route("/corporations/{corporation_id}")
CHARACTER = Route("/characters/{character_id}")
TYPE = Route("/universe/types/{type_id}")
GROUP = Route("/universe/groups/{group_id}")
CATEGORY = Route("/universe/categories/{category_id}")
SYSTEM = Route("/universe/systems/{system_id}")
CONSTELLATION = Route("/universe/constellations/{constellation_id}")
REGION = Route("/universe/regions/{region_id}")


def tokens_of(status: int) -> int:
    """The tokens that an answer of this status costs."""
    if status == 429:
        return 0
    return {2: TOKENS_2XX, 3: TOKENS_3XX, 4: TOKENS_4XX}.get(status // 100, TOKENS_5XX)

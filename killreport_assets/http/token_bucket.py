"""A limit in tokens: what an answer costs, and whose bucket pays. Data only; keeping it is for rate_limit.py."""

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
    token_owner: str = ""
    """Whose it is, application and character, where a route needs a token: each has a bucket of its own."""

    def __str__(self) -> str:
        return f"{self.group}:{self.token_owner}" if self.token_owner else self.group

    @property
    def max_cost(self) -> int:
        """The most that one request can cost: booked until its answer is known."""
        return max(self.success, self.not_modified, self.client_error, self.server_error)

    @property
    def is_error_limit(self) -> bool:
        """Whether it counts errors, not tokens: a success costs nothing."""
        return self.success == 0

    def cost_of(self, status: int | None) -> int:
        """The tokens that an answer of this status costs (CCP's rate-limiting page); a 429 itself costs nothing.

        Without an answer (None) it is unknown: the most likely cost.
        """
        if status is None:
            return max(self.success, self.server_error)
        if status == 429:
            return 0
        by_class = {2: self.success, 3: self.not_modified, 4: self.client_error}
        return by_class.get(status // 100, self.server_error)

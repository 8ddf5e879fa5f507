"""Token buckets: their size, their window, and what each answer costs. Data only; rate_limit.py enforces them."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class TokenBucket:
    """A limit of tokens in any window, per IP address; the cost of an answer depends on its status."""

    group: str
    max_tokens: int
    window: timedelta
    success: int = 2
    not_modified: int = 1
    client_error: int = 5
    server_error: int = 0
    token_owner: str = ""
    """Application and character, for routes that need an access token: each token owner has its own bucket."""

    def __str__(self) -> str:
        return f"{self.group}:{self.token_owner}" if self.token_owner else self.group

    @property
    def max_cost(self) -> int:
        """The most that one request can cost; booked until the answer arrives."""
        return max(self.success, self.not_modified, self.client_error, self.server_error)

    @property
    def is_error_limit(self) -> bool:
        """Whether the bucket counts errors: a success costs nothing."""
        return self.success == 0

    def cost_of(self, status: int | None) -> int:
        """Tokens that an answer of this status costs (source: CCP's rate-limiting page); a 429 itself costs nothing.

        Without an answer (None) the cost is unknown, and the most likely one is returned.
        """
        if status is None:
            return max(self.success, self.server_error)
        if status == 429:
            return 0
        by_class = {2: self.success, 3: self.not_modified, 4: self.client_error}
        return by_class.get(status // 100, self.server_error)

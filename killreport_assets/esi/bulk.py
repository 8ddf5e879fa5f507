"""Requests to ESI's bulk routes, which refuse 1,000 ids because of one: refused batches are halved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from killreport_assets.esi.client import IDS_AT_ONCE
from killreport_assets.http.errors import Forbidden, Refused, ServiceError

Element = TypeVar("Element")
MAX_REFUSALS = 15
"""Each refusal counts against the error limit; ids left after this many are requested another time."""


@dataclass
class BulkAnswer(Generic[Element]):
    """The result for a list of ids."""

    elements: list[Element] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    """Ids that ESI refused in a request of their own."""
    left: list[int] = field(default_factory=list)
    """Ids that were not requested."""
    stopped_by: str | None = None
    """Why ids are left: too many refusals, or the error of the service."""


def ask_in_bulk(ask: Callable[[Sequence[int]], list[Element]], ids: Sequence[int]) -> BulkAnswer[Element]:
    """Request distinct ids, 1,000 at a time; a refused batch is split in halves.

    A failure does not raise: the elements fetched before it are returned, and `stopped_by` is set.
    """
    answer: BulkAnswer[Element] = BulkAnswer()
    batches = [ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)]
    refusals = 0
    while batches:
        batch = batches.pop()
        if refusals >= MAX_REFUSALS:
            answer.stopped_by = answer.stopped_by or "ESI refused too many ids; the rest is left for later"
        if answer.stopped_by:
            answer.left += batch
            continue
        try:
            answer.elements += ask(batch)
        except ServiceError as error:
            if isinstance(error, Forbidden) or not isinstance(error, Refused):
                answer.stopped_by = str(error)
                answer.left += batch
                continue
            refusals += 1
            middle = len(batch) // 2
            if middle:
                batches += [batch[:middle], batch[middle:]]
            else:
                answer.refused += batch
    return answer

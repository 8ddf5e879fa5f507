"""ESI's bulk routes take a thousand ids and refuse them all for the sake of one: asking them by halving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from killreport_assets.esi.client import IDS_AT_ONCE
from killreport_assets.http.errors import Forbidden, Refused, ServiceError

Element = TypeVar("Element")
MAX_REFUSALS = 15
"""Each costs a part of the error limit: what is left then is asked for another time."""


@dataclass
class BulkAnswer(Generic[Element]):
    """What came of a batch of ids."""

    elements: list[Element] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    """Ids that ESI refused by themselves."""
    left: list[int] = field(default_factory=list)
    """Ids that were not asked for any more."""
    stopped_by: str | None = None
    """Why some are left: too many refusals, or a service that fails."""


def ask_in_bulk(ask: Callable[[Sequence[int]], list[Element]], ids: Sequence[int]) -> BulkAnswer[Element]:
    """Ask for distinct ids, 1,000 a call; a batch that is refused is asked again in halves.

    What was learnt before a failure is kept: see `stopped_by`.
    """
    answer: BulkAnswer[Element] = BulkAnswer()
    batches = [ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)]
    refusals = 0
    while batches:
        batch = batches.pop()
        if refusals >= MAX_REFUSALS:
            answer.stopped_by = answer.stopped_by or "ESI refused too many; the rest is left for later"
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

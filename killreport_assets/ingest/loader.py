"""The protocol of loaders and their report, the same for every source.

A loader reads its source through a client (sources/, esi/), stores what is new, and records its progress. It uses no
queue: what is fetched one by one goes through workers/.
"""

from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.engine import Engine

from killreport_assets.store.killmails import WriteReport

MAX_PROBLEMS = 5


@dataclass
class LoadReport:
    """The result of one load."""

    facts: dict[str, int | str] = field(default_factory=dict)
    """Counts and positions, as the UI shows them."""
    problems: list[str] = field(default_factory=list)
    """Why it stopped early, or what it left out; empty when everything requested is loaded."""
    waiting: str | None = None
    """The pause that a service requested, or the process that loads the same: no failure, the next load goes on."""

    @property
    def stopped_by(self) -> str | None:
        """The first problems in one line; None when there are none."""
        return "; ".join(self.problems[:MAX_PROBLEMS]) or None


class Loader(Protocol):
    """Loads one source; built with its client and with what to load."""

    def load(self, engine: Engine) -> LoadReport:
        """Load what is requested and was not loaded before.

        A failure is a problem in the report: it does not stop the rest, and is loaded the next time.
        """


def written_facts(report: WriteReport) -> dict[str, int | str]:
    """Return the counts of written killmails as facts of a report."""
    return {
        "stored": len(report.stored),
        "already there": len(report.already_there),
        "rejected": len(report.rejected),
        "attackers": report.attackers,
        "items": report.items,
    }

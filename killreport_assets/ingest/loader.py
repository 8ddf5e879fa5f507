"""What loading a source is: one protocol for every source, and one report.

A loader reads its source through a client (sources/, esi/), stores what is new, and notes how far it came. It knows no
queue: what is fetched one by one goes through workers/.
"""

from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.engine import Engine

from killreport_assets.store.killmails import WriteReport

MAX_PROBLEMS = 5


@dataclass
class LoadReport:
    """What one loading came to."""

    facts: dict[str, int | str] = field(default_factory=dict)
    """Counts and positions, as people read them in the UI."""
    problems: list[str] = field(default_factory=list)
    """Why it stopped early, or what it left out; empty when everything that was asked for is loaded."""

    @property
    def stopped_by(self) -> str | None:
        """The first problems in one line; None when there are none."""
        return "; ".join(self.problems[:MAX_PROBLEMS]) or None


class Loader(Protocol):
    """Loads one source; built with its client and with what is asked for."""

    def load(self, engine: Engine) -> LoadReport:
        """Load what is asked for and was not loaded before.

        What fails is a problem in the report: it stops nothing else, and is loaded the next time.
        """


def written_facts(report: WriteReport) -> dict[str, int | str]:
    """What became of killmails, as facts of a report."""
    return {
        "stored": len(report.stored),
        "already there": len(report.already_there),
        "rejected": len(report.rejected),
        "attackers": report.attackers,
        "items": report.items,
    }

"""One line of the report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """A measured rate or time, beside its reference of the same run and what is wanted."""

    name: str
    value: float
    unit: str
    reference: str = ""
    ratio: float | None = None
    wanted: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        text = f"{self.name:<44} {self.value:>10,.1f} {self.unit:<14}"
        if self.ratio is not None:
            text += f" {self.ratio:.2f} x {self.reference}"
        if self.wanted:
            text += f"   [{'ok' if self.met else 'MISSED'}: {self.wanted}]"
        return text

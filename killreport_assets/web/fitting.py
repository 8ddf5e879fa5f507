"""The fit of a lost ship: its racks with charges, and the text that fitting tools read (EFT)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import RowMapping

RACKS = {
    "high": "High slots",
    "mid": "Mid slots",
    "low": "Low slots",
    "rig": "Rigs",
    "subsystem": "Subsystems",
    "structure service": "Services",
}
HOLDS = {
    "drone bay": "Drone bay",
    "fighter tube": "Fighter tubes",
    "fighter bay": "Fighter bay",
    "structure fuel": "Structure fuel",
    "implant": "Implants",
    "cargo": "Cargo",
    "fleet hangar": "Fleet hangar",
    "frigate escape bay": "Frigate escape bay",
    "contained": "In containers",
    "other": "Other holds",
    "unknown": "Place unknown (before May 2012)",
}
EFT_RACKS = ("low", "mid", "high", "rig", "subsystem", "structure service")
EFT_HOLDS = ("drone bay", "fighter tube", "fighter bay", "cargo", "fleet hangar")


@dataclass
class Module:
    """A fitted module and the charges in its slot."""

    item: RowMapping
    charges: list[RowMapping] = field(default_factory=list)


@dataclass
class Stack:
    """Everything of one type in a hold; blueprint copies are a stack of their own."""

    type_id: int
    name: str
    is_copy: bool
    dropped: int = 0
    destroyed: int = 0


@dataclass
class Fit:
    """Modules by rack in the order of their slots, and the other items by hold."""

    racks: dict[str, list[Module]] = field(default_factory=dict)
    holds: dict[str, list[Stack]] = field(default_factory=dict)


def fit_of(items: Sequence[RowMapping]) -> Fit:
    """Arrange item rows (marts.fct_items) as they were in the ship."""
    fit = Fit()
    held: dict[str, dict[tuple[int, bool], Stack]] = {}
    by_slot = sorted(items, key=lambda item: (item["flag"], item["item_index"]))
    for item in by_slot:
        if item["slot"] in RACKS and not item["is_charge"]:
            fit.racks.setdefault(item["slot"], []).append(Module(item))
    for item in by_slot:
        if item["slot"] in RACKS:
            modules = [m for m in fit.racks.get(item["slot"], []) if m.item["flag"] == item["flag"]]
            if not item["is_charge"] or modules:
                if item["is_charge"]:
                    modules[0].charges.append(item)
                continue
        stacks = held.setdefault(item["slot"] if item["slot"] in HOLDS else "other", {})
        key = (item["item_type_id"], item["is_blueprint_copy"])
        stack = stacks.setdefault(key, Stack(key[0], _name(item), key[1]))
        stack.dropped += item["quantity_dropped"]
        stack.destroyed += item["quantity_destroyed"]
    fit.racks = {slot: fit.racks[slot] for slot in RACKS if slot in fit.racks}
    fit.holds = {hold: list(held[hold].values()) for hold in HOLDS if hold in held}
    return fit


def eft_text(ship_name: str, title: str, fit: Fit) -> str:
    """The fit as EFT text: racks from low to subsystems, a charge after its module, then drones and cargo."""
    blocks = [f"[{ship_name}, {title}]"]
    for slot in EFT_RACKS:
        lines = []
        for module in fit.racks.get(slot, []):
            charge = f", {_name(module.charges[0])}" if module.charges else ""
            lines += [f"{_name(module.item)}{charge}"] * max(1, _units(module.item))
        if lines:
            blocks.append("\n".join(lines))
    for hold in EFT_HOLDS:
        lines = [f"{stack.name} x{stack.dropped + stack.destroyed}" for stack in fit.holds.get(hold, [])]
        if lines:
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _name(item: Any) -> str:
    return str(item["item_name"] or f"Type {item['item_type_id']}")


def _units(item: Any) -> int:
    return int(item["quantity_destroyed"] + item["quantity_dropped"])

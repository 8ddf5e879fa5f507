"""Generated killmails: any number of them from a seed, for load tests and for a feed that lives.

They are marked as made: their ids start at `FIRST_GENERATED_ID`, far above CCP's, and their zKillboard block says so.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from killreport_assets.models.killmail import Killmail
from killreport_assets.sandbox.world import Record, World

Profile = Literal["fights", "history"]
FIRST_GENERATED_ID = 900_000_001
LABEL = "made-by-sandbox"
MEANS: dict[Profile, tuple[float, float]] = {"fights": (11.8, 19.4), "history": (4.6, 14.7)}
"""Attackers and items of a killmail on average: of the genuine ones here, and of all of EVE's."""
CHARACTERS, CORPORATIONS, ALLIANCES = 200_000, 20_000, 2_000
FIRST_CHARACTER, FIRST_CORPORATION, FIRST_ALLIANCE = 2_113_000_000, 98_500_000, 99_500_000
SHIP, MODULE, CHARGE, DRONE = 6, 7, 8, 18
FLAGS = (5, *range(11, 35), 87, 92, 93, 94, *range(125, 130))


def is_generated_character(id_: int) -> bool:
    """Whether the id is one of the generated characters'."""
    return FIRST_CHARACTER <= id_ < FIRST_CHARACTER + CHARACTERS


def is_generated_corporation(id_: int) -> bool:
    """Whether the id is one of the generated corporations'."""
    return FIRST_CORPORATION <= id_ < FIRST_CORPORATION + CORPORATIONS


def is_generated_alliance(id_: int) -> bool:
    """Whether the id is one of the generated alliances'."""
    return FIRST_ALLIANCE <= id_ < FIRST_ALLIANCE + ALLIANCES


def corporation_of(character_id: int) -> int:
    """A generated character's corporation."""
    return FIRST_CORPORATION + (character_id - FIRST_CHARACTER) * 7919 % CORPORATIONS


def alliance_of(corporation_id: int) -> int | None:
    """A generated corporation's alliance; a third have none."""
    number = corporation_id - FIRST_CORPORATION
    return FIRST_ALLIANCE + number % ALLIANCES if number % 3 else None


@dataclass(frozen=True)
class GeneratedKillmails:
    """Killmail number `index` is a function of the seed, the profile and its time alone."""

    world: World
    seed: int = 0
    profile: Profile = "fights"

    def body(self, index: int, time: datetime) -> Record:
        """ESI's body of generated killmail number `index` (from 0)."""
        rng = random.Random(f"{self.seed}:{self.profile}:{index}")
        attackers_mean, items_mean = MEANS[self.profile]
        attackers = [self._attacker(rng) for _ in range(1 + _geometric(rng, attackers_mean - 1))]
        attackers[rng.randrange(len(attackers))]["final_blow"] = True
        ships = self._types[SHIP]
        victim = self._pilot(rng) | {
            "ship_type_id": rng.choice(ships),
            "damage_taken": sum(attacker["damage_done"] for attacker in attackers),
            "items": [self._item(rng) for _ in range(_geometric(rng, items_mean))],
            "position": {axis: rng.uniform(-5e12, 5e12) for axis in "xyz"},
        }
        return {
            "killmail_id": FIRST_GENERATED_ID + index,
            "killmail_time": time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "solar_system_id": rng.choice(self._systems),
            "attackers": attackers,
            "victim": victim,
        }

    def killmail(self, index: int, time: datetime) -> tuple[Record, str]:
        """The body and its hash."""
        body = self.body(index, time)
        return body, Killmail.model_validate(body).killmail_hash

    def spread(self, count: int, first: datetime, last: datetime) -> list[tuple[Record, str]]:
        """`count` killmails, evenly from `first` to `last`."""
        step = (last - first) / max(1, count)
        return [self.killmail(index, first + index * step) for index in range(count)]

    @cached_property
    def _systems(self) -> list[int]:
        return sorted(self.world.by_id("systems"))

    @cached_property
    def _types(self) -> dict[int, list[int]]:
        groups = self.world.by_id("groups")
        by_category: dict[int, list[int]] = {}
        for type_ in self.world.static["types"]:
            category = groups[type_["group_id"]]["category_id"]
            by_category.setdefault(category, []).append(type_["type_id"])
        return by_category

    def _pilot(self, rng: random.Random) -> Record:
        # A few are everywhere, most are rarely seen.
        character_id = FIRST_CHARACTER + int(CHARACTERS * rng.random() ** 3)
        corporation_id = corporation_of(character_id)
        alliance_id = alliance_of(corporation_id)
        pilot = {"character_id": character_id, "corporation_id": corporation_id}
        return pilot | ({"alliance_id": alliance_id} if alliance_id else {})

    def _attacker(self, rng: random.Random) -> dict[str, Any]:
        return self._pilot(rng) | {
            "ship_type_id": rng.choice(self._types[SHIP]),
            "weapon_type_id": rng.choice(self._types[MODULE]),
            "damage_done": rng.randrange(1, 20_000),
            "final_blow": False,
            "security_status": round(rng.uniform(-10, 5), 1),
        }

    def _item(self, rng: random.Random) -> Record:
        category = rng.choices((MODULE, CHARGE, DRONE), (70, 20, 10))[0]
        return {
            "item_type_id": rng.choice(self._types[category]),
            "flag": rng.choice(FLAGS),
            "singleton": 0,
            rng.choice(("quantity_destroyed", "quantity_dropped")): rng.choice((1, 1, 1, 2, 5, 120)),
        }


def _geometric(rng: random.Random, mean: float) -> int:
    """A count with this mean: most are small, a few are large."""
    return int(rng.expovariate(1 / mean) + 0.5) if mean > 0 else 0

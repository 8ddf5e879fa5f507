"""Made battles with known sides, as bodies of killmails.

Sides shoot each other as fleets do: an alliance's pilots are on many killmails together, with unequal damage; somebody
from elsewhere shoots in for little damage; NPCs help.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from killreport_assets.battles.find import Attacker, Killmail
from killreport_assets.models.killmail import KillmailBody

FRIGATE, CRUISER, LOGISTICS, DREADNOUGHT, CAPSULE = 587, 621, 11987, 19720, 670
RIFTER_GUN = 2488
NPC_CORPORATION, NPC_HULL = 1_000_125, 587


@dataclass(frozen=True)
class Pilot:
    """A pilot of a made battle."""

    character_id: int
    corporation_id: int
    alliance_id: int | None

    def body(self) -> dict[str, int]:
        """As in a killmail."""
        alliance = {"alliance_id": self.alliance_id} if self.alliance_id else {}
        return {"character_id": self.character_id, "corporation_id": self.corporation_id} | alliance


@dataclass
class MadeBattle:
    """Killmails of a fight, and the side of each pilot on them."""

    rng: random.Random
    system_id: int = 30_002_813
    start: datetime = datetime(2024, 3, 9, 19, 2, tzinfo=UTC)
    first_id: int = 116_000_000
    first_entity: int = 0
    """Added to all ids of entities, so that battles do not share any."""
    bodies: list[KillmailBody] = field(default_factory=list)
    side_of: dict[int, str] = field(default_factory=dict)

    def fleet(self, side: str, pilots: int, alliances: int = 1, corporations: int = 2) -> list[Pilot]:
        """Pilots of one side, in alliances of unequal size; with no alliances in corporations alone."""
        made = []
        base = self.first_entity + 10_000 * len({*self.side_of.values(), side}) + 1_000 * (len(self.side_of) % 7)
        for number in range(pilots):
            group = min(int(self.rng.expovariate(1.2)), max(alliances, 1) - 1)
            corporation = base + group * 50 + self.rng.randrange(corporations)
            pilot = Pilot(
                2_110_000_000 + self.first_entity + len(self.side_of) + number,
                98_000_000 + corporation,
                99_000_000 + base + group if alliances else None,
            )
            made.append(pilot)
        self.side_of |= {pilot.character_id: side for pilot in made}
        return made

    def bystanders(self, pilots: int) -> list[Pilot]:
        """Pilots who are on no side."""
        made = self.fleet("bystanders", pilots, 0)
        for pilot in made:
            del self.side_of[pilot.character_id]
        return made

    def kill(
        self,
        victim: Pilot,
        attackers: Sequence[Pilot],
        at: float,
        *,
        system_id: int | None = None,
        hull: int = CRUISER,
        minor: Sequence[Pilot] = (),
        npc: bool = False,
        items: Sequence[Mapping[str, int]] = (),
    ) -> None:
        """Add a killmail, `at` seconds after the start; `minor` attackers did less than 5 % of the damage."""
        damages = [self.rng.uniform(0.5, 2.0) for _ in attackers]
        total = sum(damages) or 1.0
        rows: list[dict[str, Any]] = [
            pilot.body() | {"damage_done": int(90_000 * damage / total)}
            for pilot, damage in zip(attackers, damages, strict=True)
        ]
        rows += [pilot.body() | {"damage_done": self.rng.randrange(0, 2_000)} for pilot in minor]
        if npc:
            rows.append({"corporation_id": NPC_CORPORATION, "faction_id": 500_011, "damage_done": 3_000})
        for number, row in enumerate(rows):
            row |= {"final_blow": number == 0, "security_status": 0.0}
            row |= {"ship_type_id": CRUISER, "weapon_type_id": RIFTER_GUN}
        id_ = self.first_id + len(self.bodies)
        body: dict[str, Any] = {
            "killmail_id": id_,
            "killmail_time": f"{self.start + timedelta(seconds=at):%FT%TZ}",
            "solar_system_id": system_id or self.system_id,
            "victim": victim.body()
            | {"ship_type_id": hull, "damage_taken": sum(row["damage_done"] for row in rows), "items": list(items)},
            "attackers": rows,
        }
        self.bodies.append(KillmailBody(body, None))

    def fight(
        self,
        fleets: Mapping[str, Sequence[Pilot]],
        minutes: float,
        kills: int,
        *,
        against: Mapping[str, Sequence[str]] | None = None,
        system_id: int | None = None,
        since: float = 0.0,
        passers_by: Sequence[Pilot] = (),
    ) -> None:
        """Let sides kill each other: a victim of each side in turn, shot by some of a side that is against it."""
        sides = list(fleets)
        for number in range(kills):
            at = since + 60 * minutes * (number + self.rng.random()) / kills
            victims = sides[number % len(sides)]
            enemies = list((against or {}).get(victims, [side for side in sides if side != victims]))
            enemy = self.rng.choice(enemies)
            shooters = self.rng.sample(list(fleets[enemy]), min(len(fleets[enemy]), self.rng.randint(3, 18)))
            victim = self.rng.choice(list(fleets[victims]))
            minor = [self.rng.choice(list(passers_by))] if passers_by and self.rng.random() < 0.3 else []
            self.kill(victim, shooters, at, system_id=system_id, minor=minor, npc=self.rng.random() < 0.2)
            if self.rng.random() < 0.5:
                self.kill(victim, shooters[:2], at + 5, system_id=system_id, hull=CAPSULE)


def party_of(body: Mapping[str, Any]) -> int | None:
    """The party of a victim or an attacker of a body: alliance, player corporation, militia or pilot; None for NPCs."""
    if body.get("alliance_id"):
        return int(body["alliance_id"])
    if body.get("corporation_id", 0) >= 98_000_000:
        return int(body["corporation_id"])
    return body.get("faction_id", body["character_id"]) if body.get("character_id") else None


def killmails_of(bodies: Sequence[KillmailBody]) -> list[Killmail]:
    """Killmails as battles.find takes them."""
    found = []
    for killmail in bodies:
        body = killmail.body
        victim = body["victim"]
        party = party_of(victim)
        if party is None:
            continue
        attackers = [
            Attacker(of, attacker.get("character_id", 0), attacker["damage_done"], attacker["final_blow"])
            for attacker in body["attackers"]
            if (of := party_of(attacker)) is not None
        ]
        at = datetime.fromisoformat(body["killmail_time"])
        pilot = victim.get("character_id", 0)
        found.append(Killmail(body["killmail_id"], at, body["solar_system_id"], party, pilot, attackers))
    return found


def rightly_split(made: MadeBattle, side_of_party: Mapping[int, int]) -> tuple[int, int]:
    """How many pilots are on the side that most of their own side are on, and how many there are.

    A side that was found counts for one side of the made battle, the one with most pilots in it.
    """
    parties = {
        body["character_id"]: party_of(body)
        for killmail in made.bodies
        for body in (killmail.body["victim"], *killmail.body["attackers"])
        if body.get("character_id") in made.side_of
    }
    counts = Counter(
        (side_of_party[party], made.side_of[pilot])
        for pilot, party in parties.items()
        if party is not None and party in side_of_party
    )
    named: dict[int, str] = {}
    for (number, side), _ in counts.most_common():
        if number not in named and side not in named.values():
            named[number] = side
    return sum(count for (number, side), count in counts.items() if named.get(number) == side), len(parties)

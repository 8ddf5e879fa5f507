"""The thresholds of battles, with those of the peers."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class BattleRules:
    """What counts as a battle.

    EVE-KILL (Shrike 817d837, internal/battle/battle.go): segments of 5 minutes in one system, active from 5 killmails,
    over after 6 quiet ones; attackers below 5 % of the damage are left out; two sides.
    zKillboard (2baf6057): one system, from an hour before to two hours after a killmail; two sides.
    """

    segment: timedelta = timedelta(minutes=5)
    active_killmails: int = 5
    """A segment with so many killmails is active."""
    quiet_segments: int = 6
    """So many segments that are not active end a battle."""
    margin: timedelta = timedelta(minutes=15)
    """Killmails so long before and after the active segments belong to it if its pilots are on them."""
    joining_gap: timedelta = timedelta(minutes=30)
    """Fights in two systems may be one battle if no more time than this is between them."""
    shared_pilots_next_door: float = 0.1
    """They are one, a stargate apart, if this share of the smaller one's pilots is in both."""
    shared_pilots_elsewhere: float = 0.3
    """The same for systems without a stargate between them: wormholes, bridges, cynosural fields."""
    minor_damage: float = 0.05
    """Attackers with a smaller share of the damage do not show who was with whom, unless they have the final blow."""
    hostility_weight: float = 1.5
    """Two parties are on one side if they shot the same victims more than this times each other."""
    common_attackers_weight: float = 0.5
    """How much it counts, beside common victims, that the same parties shot two."""
    third_party_share: float = 0.2
    """A side beside two others is a third party if it had less than this of the shooting between sides."""
    side_pilots: int = 3
    """A battle has two sides of at least so many pilots; parties that did not shoot count if they alone are so many."""


RULES = BattleRules()

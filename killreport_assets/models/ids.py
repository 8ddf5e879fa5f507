"""Ids: the kinds of entities, CCP's ranges for players and NPCs, and the page of a killmail.

Source of the ranges: CCP's id-ranges guide (docs/guides/id-ranges.md, 2026-06-23). The dbt macro eve_ids repeats some
of them; a test compares the two.
"""

from enum import StrEnum


class EntityKind(StrEnum):
    """Entities that killmails mention and that are fetched from ESI one by one; also the kinds of their messages."""

    ALLIANCE = "alliance"
    CORPORATION = "corporation"
    CHARACTER = "character"
    TYPE = "type"

    @property
    def key(self) -> str:
        """The name of the column with the kind's ids."""
        return f"{self}_id"


KILLMAIL = "killmail"
"""The kind of messages that request a killmail by id and hash."""
THE_FORGE = 10_000_002
"""The region of Jita; its averages are the prices used everywhere."""
FIRST_NPC_CHARACTER = 3_000_000
LAST_NPC_CHARACTER = 3_999_999
FIRST_NPC_CORPORATION, LAST_NPC_CORPORATION = 1_000_000, 1_999_999
PLACEHOLDERS_BELOW = 1_000_000
"""Lower ids are never characters: 0, 1 as a placeholder, faction ids."""


def is_npc_character(character_id: int) -> bool:
    """Whether the id is an NPC's or a placeholder: below 1 million, or from 3 million up to 4 million.

    This is the original KillReport's rule. Its second half is CCP's range; its first half is not a range of characters,
    it only matches placeholders. NPC characters occur in killmails with a character_id; their bodies are not fetched.
    """
    return character_id < PLACEHOLDERS_BELOW or FIRST_NPC_CHARACTER <= character_id <= LAST_NPC_CHARACTER


def is_npc_corporation(corporation_id: int) -> bool:
    """Whether the id is in CCP's range of NPC corporations; they are fetched and stored like any other."""
    return FIRST_NPC_CORPORATION <= corporation_id <= LAST_NPC_CORPORATION


def is_fetchable(kind: EntityKind, column: str) -> str:
    """The SQL predicate for ids in `column` that ESI has as entities of `kind`."""
    if kind is EntityKind.CHARACTER:
        npc_or_placeholder = (
            f"{column} < {PLACEHOLDERS_BELOW} or {column} between {FIRST_NPC_CHARACTER} and {LAST_NPC_CHARACTER}"
        )
        return f"not ({npc_or_placeholder})"
    return f"{column} > 0"


def zkillboard_url(killmail_id: int) -> str:
    """The page of a killmail on zKillboard."""
    return f"https://zkillboard.com/kill/{killmail_id}/"

"""Which ids are players' and which are NPCs': CCP's ranges as SQL predicates.

Source: CCP's id-ranges guide (docs/guides/id-ranges.md, 2026-06-23).
"""

FIRST_NPC_CHARACTER = 3_000_000
LAST_NPC_CHARACTER = 3_999_999
FIRST_NPC_CORPORATION, LAST_NPC_CORPORATION = 1_000_000, 1_999_999
PLACEHOLDERS_BELOW = 1_000_000
"""Ids below are never a character: 0, 1 as a placeholder, faction ids."""


def is_npc_character(character_id: int) -> bool:
    """Whether the id is an NPC's or a placeholder: below 1 million, or from 3 million up to 4 million.

    The original KillReport's rule. Its second half is CCP's range; its first half is no range of characters, it only
    catches placeholders. NPC characters occur in killmails with a character_id; there is no body worth fetching.
    """
    return character_id < PLACEHOLDERS_BELOW or FIRST_NPC_CHARACTER <= character_id <= LAST_NPC_CHARACTER


def is_npc_corporation(corporation_id: int) -> bool:
    """Whether the id is in CCP's range of NPC corporations; they are dimensions like any other."""
    return FIRST_NPC_CORPORATION <= corporation_id <= LAST_NPC_CORPORATION


def is_fetchable(kind: str, column: str) -> str:
    """The SQL predicate for ids of `column` that ESI can be asked about as an entity of `kind`."""
    if kind == "character":
        npc_or_placeholder = (
            f"{column} < {PLACEHOLDERS_BELOW} or {column} between {FIRST_NPC_CHARACTER} and {LAST_NPC_CHARACTER}"
        )
        return f"not ({npc_or_placeholder})"
    return f"{column} > 0"

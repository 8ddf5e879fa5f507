"""The catalogue of work queues: data only. Their handlers are in workers/handlers/ and users/handlers/."""

from collections.abc import Iterable
from dataclasses import dataclass

from killreport_assets.base.errors import UserError
from killreport_assets.models.ids import KILLMAIL, EntityKind

MAX_WORKER_RUNS = 3
"""Worker runs of one queue at once, unless `KILLREPORT_DRAIN_RUNS` says otherwise."""


@dataclass(frozen=True)
class WorkQueue:
    """One queue: what its messages are about and how a worker handles them."""

    name: str
    kind: str
    """What its messages are about; each queue has its own."""
    parallel_fetches: int
    """Concurrent requests in one worker; the shared request budget limits those of all processes."""
    description: str
    batch_size: int = 50
    """Messages in one transaction; few where one message is a lot of work."""
    rate_limits: tuple[str, ...] = ("esi", "esi:errors")
    """The services and token buckets of ops.request_pace whose pauses stop the queue."""
    max_attempts: int = 8
    """Failed attempts after which a message is a dead letter."""
    is_requested_again: bool = False
    """Whether its schedule requests dead work again; otherwise that stays dead until it is replayed."""
    is_for_users: bool = False
    """Whether a person waits for it: its workers never wait for those of other queues."""


ZKILLBOARD_CHARACTERS = WorkQueue(
    "zkillboard_character_queue",
    "zkillboard_character",
    1,
    "list a character's killmails on zKillboard",
    batch_size=1,
    rate_limits=("zkillboard",),
    is_requested_again=True,
)
USER_KILLMAILS = WorkQueue(
    "esi_user_killmails_queue",
    "user_killmails",
    3,
    "list a signed-in character's recent killmails on ESI",
    batch_size=10,
    rate_limits=("esi", "sso"),
    max_attempts=4,
    is_requested_again=True,
    is_for_users=True,
)
CORPORATION_KILLMAILS = WorkQueue(
    "esi_corporation_killmails_queue",
    "corporation_killmails",
    3,
    "list a corporation's recent killmails on ESI, with a Director's token",
    batch_size=10,
    rate_limits=("esi", "sso"),
    max_attempts=4,
    is_requested_again=True,
    is_for_users=True,
)
KILLMAILS = WorkQueue(
    "esi_killmail_queue", KILLMAIL, 10, "fetch one killmail by id and hash", rate_limits=("esi", "esi:killmail")
)
ALLIANCES = WorkQueue("esi_alliance_info_queue", EntityKind.ALLIANCE, 3, "fetch one alliance")
ALLIANCE_CORPORATIONS = WorkQueue(
    "esi_alliance_corporations_queue",
    "alliance_corporations",
    5,
    "list an alliance's corporations",
    is_requested_again=True,
)
CORPORATIONS = WorkQueue("esi_corporation_info_queue", EntityKind.CORPORATION, 5, "fetch one corporation")
CHARACTERS = WorkQueue("esi_character_info_queue", EntityKind.CHARACTER, 10, "fetch one character")
TYPES = WorkQueue("esi_type_info_queue", EntityKind.TYPE, 10, "fetch one type")

WORK_QUEUES = (
    ZKILLBOARD_CHARACTERS,
    USER_KILLMAILS,
    CORPORATION_KILLMAILS,
    KILLMAILS,
    ALLIANCES,
    ALLIANCE_CORPORATIONS,
    CORPORATIONS,
    CHARACTERS,
    TYPES,
)
"""In the order in which they feed each other."""
BY_KIND = {queue.kind: queue for queue in WORK_QUEUES}
ENTITY_QUEUES = (ALLIANCES, CORPORATIONS, CHARACTERS, TYPES)


def check_queue_names(setting: str, names: Iterable[str]) -> None:
    """Check the queues that a setting names.

    Raises:
        UserError: there is no such queue; the message lists the queues.
    """
    known = [queue.name for queue in WORK_QUEUES]
    if unknown := sorted(set(names) - set(known)):
        raise UserError(
            f"wrong setting: {setting}: there is no queue {', '.join(unknown)}; there are {', '.join(known)}"
        )

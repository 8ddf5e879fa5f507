"""Messages: their fields, their JSON, and the headers in which brokers count attempts."""

import json
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SCHEMA = 1


MAX_COUNT = 1_000_000
"""More attempts or deliveries than any message of ours can have."""


class UnreadableMessage(Exception):
    """The body is not a message of ours, or has a schema that this version does not know."""


class Cause(BaseModel):
    """Why the work was requested: the killmail that mentions the entity, and the run that published the message."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    killmail_id: Annotated[int, Field(gt=0, lt=2**63)] | None = None
    run_id: str | None = None


class Message(BaseModel):
    """One piece of work. Never holds a token."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    kind: str
    id: Annotated[int, Field(strict=True, gt=0, lt=2**63)]
    hash: str | None = None
    cause: Cause = Cause()
    requested_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def message_id(self) -> str:
        """The natural key: the same work has the same id."""
        return f"{self.kind}:{self.id}"

    def encode(self) -> bytes:
        """Return the JSON for the broker."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


def count_header(value: object) -> int:
    """Read a count from a header. Anybody can publish: a value that is no count is 0."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(0, value), MAX_COUNT)


def time_header(value: object) -> datetime | None:
    """Read a time in ISO 8601 from a header; None if it is missing or no time. Without a zone it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def text_header(value: object) -> str | None:
    """Read a text from a header; None if it is missing or no text."""
    return value if isinstance(value, str) else None


def decode(body: bytes, kind: str) -> Message:
    """Read a message of a queue whose messages are of `kind`.

    Raises:
        UnreadableMessage: not JSON, an unknown schema, another kind, or a field of the wrong type; the text says which.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as broken:
        raise UnreadableMessage(f"not JSON: {broken}") from None
    if not isinstance(data, dict):
        raise UnreadableMessage(f"a JSON object is expected, not {type(data).__name__}")
    if data.get("schema") != SCHEMA:
        raise UnreadableMessage(f"unknown message schema {data.get('schema')!r}; this version knows {SCHEMA}")
    try:
        message = Message.model_validate(data)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        raise UnreadableMessage(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if message.kind != kind:
        raise UnreadableMessage(f"a message of kind {message.kind!r} in a queue of {kind!r}")
    return message

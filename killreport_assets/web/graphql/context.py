"""What the fields of a request share, and the entities that they name."""

from dataclasses import dataclass

from graphql import GraphQLResolveInfo

from killreport_assets.web.callers import Caller
from killreport_assets.web.entities import Kind
from killreport_assets.web.feed import LiveFeed
from killreport_assets.web.graphql.loaders import Reads
from killreport_assets.web.own import Own


@dataclass(frozen=True)
class Context:
    """What a request's fields share."""

    caller: Caller
    reads: Reads
    own: Own
    feed: LiveFeed
    is_elsewhere: bool
    """Whether the caller is not to read what the operator has to mend (Looking.is_hidden_from)."""


@dataclass(frozen=True)
class Entity:
    """An entity, with its name where it is known already."""

    kind: Kind
    id: int
    known_name: str | None = None

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"/{self.kind.path}/{self.id}"


def context_of(info: GraphQLResolveInfo) -> Context:
    """What the fields of this request share."""
    context: Context = info.context
    return context

"""ESI's bodies as pydantic models, with only the fields that are stored in a table.

Shapes of compatibility date 2026-08-18; a test compares them with the official specification. The shapes of
killmails and wars are in models/, which checks those of every source.
"""

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from killreport_assets.http.errors import Unavailable
from killreport_assets.models.money import Cents


class EsiBody(BaseModel):
    """A body of ESI; fields that are not stored are ignored."""

    model_config = ConfigDict(extra="ignore")


class Alliance(EsiBody):
    """`GET /alliances/{alliance_id}`."""

    name: str
    ticker: str
    creator_id: int
    creator_corporation_id: int
    date_founded: datetime
    executor_corporation_id: int | None = None
    faction_id: int | None = None


class TaxRates(EsiBody):
    """Percentages from 0 to 100, since 2026-07-21."""

    isk: float
    loyalty_point: float


class Corporation(EsiBody):
    """`GET /corporations/{corporation_id}`, the shape since 2026-07-21."""

    name: str
    ticker: str
    member_count: int
    state: str
    type: str
    tax_rates: TaxRates
    war_eligible: bool
    home_station_id: int
    alliance_id: int | None = None
    ceo_id: int | None = None
    creator_id: int | None = None
    enlisted_faction_id: int | None = None
    date_founded: datetime | None = None
    url: str | None = None


class Character(EsiBody):
    """`GET /characters/{character_id}`, the shape since 2026-06-09."""

    name: str
    corporation_id: int
    birthday: datetime
    gender: str
    race_id: int
    bloodline_id: int
    achievement_score: int
    alliance_id: int | None = None
    faction_id: int | None = None
    security_status: float | None = None
    corporation_title: str | None = None


class DogmaAttribute(EsiBody):
    """One attribute of a type."""

    attribute_id: int
    value: float


class Type(EsiBody):
    """`GET /universe/types/{type_id}`."""

    type_id: int
    name: str
    group_id: int
    published: bool
    market_group_id: int | None = None
    volume: float | None = None
    packaged_volume: float | None = None
    mass: float | None = None
    capacity: float | None = None
    portion_size: int | None = None
    dogma_attributes: list[DogmaAttribute] = []


class Group(EsiBody):
    """`GET /universe/groups/{group_id}`."""

    group_id: int
    name: str
    category_id: int
    published: bool


class Category(EsiBody):
    """`GET /universe/categories/{category_id}`."""

    category_id: int
    name: str
    published: bool


class System(EsiBody):
    """`GET /universe/systems/{system_id}`."""

    system_id: int
    name: str
    constellation_id: int
    security_status: float


class Constellation(EsiBody):
    """`GET /universe/constellations/{constellation_id}`."""

    constellation_id: int
    name: str
    region_id: int


class Region(EsiBody):
    """`GET /universe/regions/{region_id}`."""

    region_id: int
    name: str


class Name(EsiBody):
    """An element of `POST /universe/names`."""

    id: int
    name: str
    category: str


class Affiliation(EsiBody):
    """An element of `POST /characters/affiliation`."""

    character_id: int
    corporation_id: int
    alliance_id: int | None = None
    faction_id: int | None = None


class MarketPrice(EsiBody):
    """An element of `GET /markets/prices`, in ISK."""

    type_id: int
    adjusted_price: Cents | None = None
    average_price: Cents | None = None


class KillmailRef(EsiBody):
    """An element of `GET /characters/{character_id}/killmails/recent`, and of a corporation's."""

    killmail_id: int = Field(gt=0, lt=2**63)
    killmail_hash: str = Field(pattern="^[0-9a-f]{40}$")


Body = TypeVar("Body", bound=BaseModel)


def parse(model: type[Body], body: object, what: str) -> Body:
    """Parse a body.

    Raises:
        Unavailable: the body does not have the model's shape; the message names the field.
    """
    try:
        return model.model_validate(body)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise Unavailable(f"{what}: unexpected shape, {where}: {first['msg']}") from None


def parse_list(model: type[Body], body: object, what: str) -> list[Body]:
    """Parse a list of bodies.

    Raises:
        Unavailable: the body is not a list, or an element does not have the model's shape.
    """
    return [parse(model, element, what) for element in _elements(body, what)]


def parse_each(model: type[Body], body: object, what: str) -> tuple[list[Body], list[str]]:
    """Parse the elements of a list that have the model's shape, and say what is wrong with the others.

    Raises:
        Unavailable: the body is not a list.
    """
    parsed, malformed = list[Body](), list[str]()
    for element in _elements(body, what):
        try:
            parsed.append(parse(model, element, what))
        except Unavailable as unreadable:
            malformed.append(str(unreadable))
    return parsed, malformed


def _elements(body: object, what: str) -> list[object]:
    if not isinstance(body, list):
        raise Unavailable(f"{what}: unexpected shape, not a list")
    return body

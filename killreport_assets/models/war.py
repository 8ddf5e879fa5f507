"""The shape of a war, as ESI gives it and EVE Ref archives it; other fields are ignored."""

from datetime import datetime

from pydantic import BaseModel, Field

from killreport_assets.models.money import Cents


class WarSide(BaseModel):
    """The aggressor or the defender of a war: a corporation or an alliance."""

    isk_destroyed: Cents
    ships_killed: int
    corporation_id: int | None = None
    alliance_id: int | None = None


class WarAlly(BaseModel):
    """An ally of the defender: a corporation or an alliance."""

    corporation_id: int | None = None
    alliance_id: int | None = None


class War(BaseModel):
    """`GET /wars/{war_id}`."""

    id: int = Field(gt=0, lt=2**63)
    declared: datetime
    mutual: bool
    open_for_allies: bool
    aggressor: WarSide
    defender: WarSide
    allies: list[WarAlly] = []
    started: datetime | None = None
    retracted: datetime | None = None
    finished: datetime | None = None

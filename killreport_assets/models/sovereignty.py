"""The shape of a sovereignty campaign, as ESI gives it; other fields are ignored."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

Id = Annotated[int, Field(gt=0, lt=2**63)]


class CampaignParticipant(BaseModel):
    """An alliance that fights for a station in freeport."""

    alliance_id: Id
    score: float


class SovereigntyCampaign(BaseModel):
    """An element of `GET /sovereignty/campaigns`: a fight over a structure that gives sovereignty."""

    campaign_id: Id
    event_type: str
    solar_system_id: Id
    constellation_id: Id
    structure_id: Id
    start_time: datetime
    defender_id: Id | None = None
    defender_score: float | None = None
    attackers_score: float | None = None
    participants: list[CampaignParticipant] = []

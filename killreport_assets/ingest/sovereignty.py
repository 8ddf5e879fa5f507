"""Loading sovereignty campaigns from ESI, which lists those that are announced or fought and forgets them after."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import Engine

from killreport_assets.database.migrate import writing
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import ServiceError, Throttled
from killreport_assets.ingest.loader import LoadReport
from killreport_assets.store.sovereignty import write_campaigns


@dataclass(frozen=True)
class CampaignLoader:
    """Stores the campaigns that ESI lists now, and notes which are over."""

    esi: EsiClient

    def load(self, engine: Engine) -> LoadReport:
        """Fetch the list and store it; an entry that cannot be read does not affect the others, nor ends any."""
        report = LoadReport({"campaigns listed": 0})
        try:
            campaigns, malformed = self.esi.sovereignty_campaigns()
        except Throttled as throttled:
            report.waiting = str(throttled)
            return report
        except ServiceError as error:
            report.problems.append(str(error))
            return report
        rows = [campaign.model_dump(exclude={"participants"}) for campaign in campaigns]
        scores = {one.campaign_id: {p.alliance_id: p.score for p in one.participants} for one in campaigns}
        with writing(engine) as connection:
            ended = write_campaigns(connection, rows, scores, datetime.now(UTC), is_whole=not malformed)
        report.problems += malformed
        report.facts = {"campaigns listed": len(rows), "campaigns that ended": ended}
        return report

"""The dead-letter sensor: reports an observation of ops/dead_letters when the dead letters change."""

from typing import Any

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.base.text import printable
from killreport_assets.orchestration.automation import sensor_status
from killreport_assets.orchestration.metadata import asset_key
from killreport_assets.settings import Settings
from killreport_assets.store.schema import tables
from killreport_assets.workers.dead_letters import count_dead_letters, list_dead_letters

MAX_SHOWN = 20
INTERVAL_SECONDS = 60


def build_dead_letters_sensor(settings: Settings) -> dg.SensorDefinition:
    """Build the sensor; it starts no runs: replaying or dropping a dead letter is an operator's decision."""

    @dg.sensor(
        name="dead_letters",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=sensor_status(settings),
        description="Observes ops/dead_letters when dead letters change; the job replay_dead_letters replays them",
    )
    def dead_letters(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Engine]) -> dg.SensorResult:
        letters = list_dead_letters(database, limit=MAX_SHOWN)
        count = count_dead_letters(database)
        state = f"{count} {letters[0].died_at.isoformat() if letters else ''}"
        skip = f"{count} dead letters: killreport dead-letters list" if letters else "no dead letters"
        events = []
        if state != (context.cursor or "0 "):
            if letters:
                context.log.warning(skip)
            rows = [
                dg.TableRecord(
                    {
                        "id": letter.id,
                        "queue": letter.queue,
                        "message": printable(letter.message_id or ""),
                        "reason": letter.reason,
                        "error": printable(letter.error[:200]),
                        "died": f"{letter.died_at:%F %T}",
                    }
                )
                for letter in letters
            ]
            metadata: dict[str, dg.MetadataValue[Any] | int] = {"dead letters": count}
            if rows:
                metadata["latest"] = dg.MetadataValue.table(rows)
            events.append(dg.AssetObservation(asset_key(tables.dead_letters), metadata=metadata))
        return dg.SensorResult(skip_reason=skip, asset_events=events, cursor=state)

    return dead_letters

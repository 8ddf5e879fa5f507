"""The sandbox's sovereignty campaigns: made, in null security space, around genuine losses of alliances."""

from datetime import datetime, timedelta

from killreport_assets.sandbox.world import Record, World

CAMPAIGNS = 2


def campaigns(world: World) -> list[Record]:
    """The last loss of an alliance in each such system is the defender's, half an hour into the campaign."""
    null_security = {row["system_id"]: row for row in world.static["systems"] if row["security_status"] <= 0}
    losses = {
        killmail.body["solar_system_id"]: killmail.body
        for killmail in sorted(world.killmails.values(), key=lambda killmail: killmail.body["killmail_time"])
        if killmail.body["solar_system_id"] in null_security and killmail.body["victim"].get("alliance_id")
    }
    newest = sorted(losses.values(), key=lambda body: body["killmail_time"])[-CAMPAIGNS:]
    return [
        _campaign(number, body, null_security[body["solar_system_id"]]["constellation_id"])
        for number, body in enumerate(newest, 1)
    ]


def _campaign(number: int, loss: Record, constellation_id: int) -> Record:
    start = datetime.fromisoformat(loss["killmail_time"]) - timedelta(minutes=30)
    return {
        "campaign_id": 30_000 + number,
        "event_type": "ihub_defense",
        "solar_system_id": loss["solar_system_id"],
        "constellation_id": constellation_id,
        "structure_id": 1_000_000_000_000 + number,
        "start_time": f"{start:%FT%TZ}",
        "defender_id": loss["victim"]["alliance_id"],
        "defender_score": 0.4,
        "attackers_score": 0.6,
    }

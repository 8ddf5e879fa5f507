"""Sovereignty campaigns: those that ESI lists are stored, and what it does not list any more has ended."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.ingest.loader import LoadReport
from killreport_assets.ingest.sovereignty import CampaignLoader
from killreport_assets.orchestration.build import build_defs
from killreport_assets.settings import Settings
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.scripted import Answer, ScriptedService, scripted_service

CAMPAIGN = {
    "campaign_id": 5,
    "event_type": "ihub_defense",
    "solar_system_id": 30_000_142,
    "constellation_id": 20_000_020,
    "structure_id": 1_000_000_000_005,
    "start_time": "2026-08-20T18:00:00Z",
    "defender_id": 99_000_001,
    "defender_score": 0.4,
    "attackers_score": 0.6,
}
FREEPORT = {
    **{name: CAMPAIGN[name] for name in ("solar_system_id", "constellation_id", "structure_id", "start_time")},
    "campaign_id": 6,
    "event_type": "station_freeport",
    "participants": [{"alliance_id": 99_000_002, "score": 0.7}, {"alliance_id": 99_000_003, "score": 0.3}],
}
LATER = timedelta(minutes=10)


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as scripted:
        yield scripted


def _load(settings: Settings, engine: Engine, service: ScriptedService, listed: Any) -> LoadReport:
    service.answers["/sovereignty/campaigns"] = Answer(listed)
    esi = EsiClient(settings.with_values(esi_url=service.url), engine)
    try:
        return CampaignLoader(esi).load(engine)
    finally:
        esi.close()


def _rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_campaigns_are_stored_whole(settings: Settings, engine: Engine, service: ScriptedService) -> None:
    before = datetime.now(UTC)
    report = _load(settings, engine, service, [CAMPAIGN, FREEPORT])
    assert (report.problems, report.facts) == ([], {"campaigns listed": 2, "campaigns that ended": 0})
    [defence, freeport] = _rows(
        engine,
        "select campaign_id, event_type, solar_system_id, structure_id, start_time, defender_id, defender_score, "
        "attackers_score, ended_at, observed_at from raw.sovereignty_campaigns order by 1",
    )
    start = datetime(2026, 8, 20, 18, tzinfo=UTC)
    assert defence[:9] == (5, "ihub_defense", 30_000_142, 1_000_000_000_005, start, 99_000_001, 0.4, 0.6, None)
    assert freeport[5:9] == (None, None, None, None)
    assert before <= defence[9] <= datetime.now(UTC)
    assert _rows(engine, "select * from raw.sovereignty_participants order by 2") == [
        (6, 99_000_002, 0.7),
        (6, 99_000_003, 0.3),
    ]


def test_what_is_not_listed_any_more_has_ended_unless_it_comes_back(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    _load(settings, engine, service, [CAMPAIGN, FREEPORT])
    report = _load(settings, engine, service, [FREEPORT])
    assert report.facts["campaigns that ended"] == 1
    [(ended_at, other)] = _rows(
        engine,
        "select a.ended_at, b.ended_at from raw.sovereignty_campaigns a, raw.sovereignty_campaigns b "
        "where a.campaign_id = 5 and b.campaign_id = 6",
    )
    assert (ended_at is not None, other) == (True, None)
    assert _load(settings, engine, service, [FREEPORT]).facts["campaigns that ended"] == 0
    assert _rows(engine, "select ended_at from raw.sovereignty_campaigns where campaign_id = 5") == [(ended_at,)]
    _load(settings, engine, service, [CAMPAIGN | {"defender_score": 0.5}])
    assert _rows(engine, "select ended_at, defender_score from raw.sovereignty_campaigns order by campaign_id")[0] == (
        None,
        0.5,
    )


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"campaign_id": 7}, id="fields-are-missing"),
        pytest.param(CAMPAIGN | {"campaign_id": -1}, id="impossible-id"),
        pytest.param(CAMPAIGN | {"campaign_id": 7, "start_time": "soon"}, id="no-time"),
        pytest.param("a text", id="no-object"),
    ],
)
def test_an_entry_that_cannot_be_read_costs_no_other_and_ends_none(
    settings: Settings, engine: Engine, service: ScriptedService, broken: Any
) -> None:
    _load(settings, engine, service, [CAMPAIGN])
    report = _load(settings, engine, service, [broken, FREEPORT])
    assert len(report.problems) == 1
    assert report.facts == {"campaigns listed": 1, "campaigns that ended": 0}
    assert _rows(engine, "select campaign_id, ended_at from raw.sovereignty_campaigns order by 1") == [
        (5, None),
        (6, None),
    ]


@pytest.mark.parametrize("listed", [{"error": "x"}, None, 5])
def test_what_is_no_list_changes_nothing(
    settings: Settings, engine: Engine, service: ScriptedService, listed: Any
) -> None:
    _load(settings, engine, service, [CAMPAIGN])
    report = _load(settings, engine, service, listed)
    assert report.problems == ["/sovereignty/campaigns: unexpected shape, not a list"]
    assert _rows(engine, "select ended_at from raw.sovereignty_campaigns") == [(None,)]


def test_the_job_stores_the_sandboxs_campaigns(
    settings: Settings, platform: Platform, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    job = build_defs(settings).resolve_job_def("load_sovereignty")
    assert job.execute_in_process(instance=instance).success
    campaigns = _rows(platform.engine, "select campaign_id, defender_id from raw.sovereignty_campaigns")
    assert len(campaigns) == 2
    assert all(defender for _, defender in campaigns)
    assert sandbox.statistics()["violations"] == {}
    observed = _rows(platform.engine, "select min(observed_at) from raw.sovereignty_campaigns")
    assert job.execute_in_process(instance=instance).success
    assert _rows(platform.engine, "select min(observed_at) from raw.sovereignty_campaigns") > observed

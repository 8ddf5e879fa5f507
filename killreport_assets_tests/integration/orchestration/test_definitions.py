"""What Dagster sees: it loads, keeps its names, starts fast, and is on only where that is safe."""

import itertools
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from killreport_assets.base.files import PACKAGE
from killreport_assets.models.ids import EntityKind
from killreport_assets.orchestration.build import build_defs
from killreport_assets.queues.catalogue import ENTITY_QUEUES, WORK_QUEUES
from killreport_assets.sandbox.process import service_urls
from killreport_assets.settings import Settings, load_settings
from killreport_assets.store.schema import tables

README = PACKAGE.parent / "README.md"
SANDBOX = {name.removeprefix("KILLREPORT_").lower(): url for name, url in service_urls(1).items()}


def _sandbox_settings() -> Settings:
    return load_settings(**SANDBOX)


def _described(defs: dg.Definitions) -> dict[str, dict[str, object]]:
    graph = defs.resolve_asset_graph()
    return {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "owners": sorted(graph.get(key).owners),
            "kinds": sorted(graph.get(key).kinds),
            "deps": sorted(dep.to_user_string() for dep in graph.get(key).parent_keys),
        }
        for key in sorted(graph.get_all_asset_keys())
    }


def test_the_assets_are_those_of_the_snapshot(snapshot: SnapshotAssertion) -> None:
    # To accept a change: pytest --snapshot-update, and read the difference.
    described = _described(build_defs(_sandbox_settings()))
    assert described == snapshot(extension_class=JSONSnapshotExtension)


def test_the_readmes_picture_names_assets_and_their_dependencies() -> None:
    picture = README.read_text().partition("```mermaid\n")[2].partition("```")[0]
    keys = {name: re.findall(r"\w+/\w+", label) for name, label in re.findall(r"(\w+)\[+\(?\"(.*?)\"", picture)}
    arrows = [re.sub(r"\[+\(?\".*?\"\)?\]+", "", line).split(" --> ") for line in picture.splitlines() if "-->" in line]
    graph = build_defs(_sandbox_settings()).resolve_asset_graph()
    drawn = {
        (dg.AssetKey(before.split("/")), dg.AssetKey(after.split("/")))
        for arrow in arrows
        for left, right in itertools.pairwise(arrow)
        for one, other in itertools.product(left.strip().split(" & "), right.strip().split(" & "))
        for before, after in itertools.product(keys[one], keys[other])
    }
    assert len(drawn) > 15
    assert [(before, after) for before, after in drawn if before not in graph.get(after).parent_keys] == []


def test_the_definitions_load() -> None:
    dg.Definitions.validate_loadable(build_defs(_sandbox_settings()))


def test_every_asset_of_ours_is_described() -> None:
    graph = build_defs(_sandbox_settings()).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        spec = graph.get(key)
        if key.path[0] == "marts":  # the lake's sources, of the other code location
            continue
        assert spec.description, key
        assert spec.owners, key
        assert spec.kinds, key
        if key.path[0] == "raw":
            assert "dagster/column_schema" in spec.metadata, key


def test_the_graph_reads_from_feed_to_entity() -> None:
    described = _described(build_defs(_sandbox_settings()))
    assert "zkillboard/r2z2" in described["raw/killmails"]["deps"]  # type: ignore[operator]
    for queue in ENTITY_QUEUES:
        assert "raw/killmails" in described[f"queue/{queue.name}"]["deps"]  # type: ignore[operator]
        table = tables.DIMENSIONS[EntityKind(queue.kind)].name
        assert f"queue/{queue.name}" in described[f"raw/{table}"]["deps"]  # type: ignore[operator]


def test_every_queue_has_its_job_and_its_sensor() -> None:
    defs = build_defs(_sandbox_settings())
    sensors = {sensor.name: sensor for sensor in defs.sensors or []}
    for queue in WORK_QUEUES:
        job = defs.resolve_job_def(f"drain_{queue.name}")
        assert job.tags["killreport/queue"] == queue.name
        assert int(job.tags["dagster/max_runtime"]) > 240
        assert sensors[f"{queue.name}_backlog"].job_name == job.name


@pytest.mark.parametrize(("overrides", "expected"), [(SANDBOX, "RUNNING"), ({}, "STOPPED")])
def test_automation_is_on_for_the_sandbox_and_off_for_real_services(overrides: dict[str, str], expected: str) -> None:
    defs = build_defs(load_settings(**overrides))
    schedules = [schedule.default_status.value for schedule in defs.schedules or []]
    sensors = [sensor.default_status.value for sensor in defs.sensors or []]
    assert set(schedules + sensors) == {expected}


def test_times_can_be_set_without_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_SCAN_SCHEDULE", "1 2 * * *")
    schedules = {s.name: s.cron_schedule for s in build_defs(load_settings()).schedules or []}  # type: ignore[union-attr]
    assert schedules["scan_killmail_entities_schedule"] == "1 2 * * *"


def test_schedules_do_not_start_together() -> None:
    settings = _sandbox_settings()
    first, last = datetime(2026, 11, 1, tzinfo=UTC).timestamp(), datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    starts: Counter[float] = Counter()
    for schedule in [*(build_defs(settings).schedules or []), settings.schedules.transforms_schedule]:
        cron = schedule if isinstance(schedule, str) else str(schedule.cron_schedule)  # type: ignore[union-attr]
        for start in cron_string_iterator(first, cron, "UTC"):
            if start.timestamp() >= last:
                break
            starts[start.timestamp()] += 1
    assert {datetime.fromtimestamp(start, UTC) for start, count in starts.items() if count > 1} == set()


def test_the_first_schedules_have_the_originals_times() -> None:
    crons = {s.name: s.cron_schedule for s in build_defs(_sandbox_settings()).schedules or []}  # type: ignore[union-attr]
    assert crons["queue_alliances_schedule"] == "0 22 * * *"
    assert crons["queue_alliance_corporations_schedule"] == "5 22 * * *"
    assert crons["queue_corporations_schedule"] == "0 4 * * *"
    assert crons["queue_characters_schedule"] == "0 0 1 * *"


def test_importing_the_platform_is_quick_and_leaves_heavy_libraries_alone() -> None:
    code = (
        "import sys, time; start = time.process_time(); import killreport_assets.definitions; "
        "heavy = [m for m in ('pandas', 'alembic', 'dagster_dbt', 'pika', 'starlette', 'uvicorn') if m in sys.modules];"
        "print(time.process_time() - start, *heavy)"
    )
    answers = [
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    seconds, *heavy = answers[-1].split()
    assert heavy == []
    assert min(float(answer.split()[0]) for answer in answers) < 4.0, seconds

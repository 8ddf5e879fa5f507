"""The assets, jobs and checks of users on a real Dagster instance, against the sandbox's SSO."""

from typing import Any

import dagster as dg

from killreport_assets.orchestration.build import build_defs
from killreport_assets.sandbox.world import BODIES_CHARACTER, World, participants
from killreport_assets.settings import Settings
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox

WORLD = World()
OWN = {k.id for k in WORLD.killmails.values() if BODIES_CHARACTER in k.character_ids}
CORPORATION = WORLD.affiliations[BODIES_CHARACTER][0]
CORPORATIONS_OWN = {
    k.id for k in WORLD.killmails.values() if any(p.get("corporation_id") == CORPORATION for p in participants(k.body))
}
QUICK = {"idle_seconds": 0.3}
Instance = dg.DagsterInstance


def _run(
    settings: Settings, instance: Instance, job: str, ops: dict[str, Any] | None = None, *, check: bool = True
) -> dg.ExecuteInProcessResult:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    config = {"ops": {op: {"config": values} for op, values in (ops or {}).items()}} | quiet
    job_def = build_defs(settings).resolve_job_def(job)
    return job_def.execute_in_process(run_config=config, instance=instance, raise_on_error=check)


def _materialized(result: dg.ExecuteInProcessResult, *key: str) -> dict[str, Any]:
    for event in result.get_asset_materialization_events():
        if event.asset_key == dg.AssetKey(list(key)):
            metadata = event.step_materialization_data.materialization.metadata
            return {name: entry.value for name, entry in metadata.items()}
    raise AssertionError(f"{key} was not materialized")


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, dict[str, Any]]]:
    found = {}
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            metadata = {name: entry.value for name, entry in evaluation.metadata.items()}
            found[evaluation.check_name] = (evaluation.passed, metadata)
    return found


def test_who_is_due_is_queued_by_materializing_the_users(
    settings: Settings, platform: Platform, sandbox: Sandbox, instance: Instance
) -> None:
    platform.signed_in(sandbox.grant(BODIES_CHARACTER))
    result = _run(settings, instance, "queue_users")
    metadata = _materialized(result, "ops", "users")
    assert (metadata["users due"], metadata["corporations due"], metadata["published"]) == (1, 1, 2)
    assert (metadata["users active"], metadata["dagster/row_count"]) == (1, 1)
    assert str(BODIES_CHARACTER) in metadata["preview"]
    assert {name: passed for name, (passed, _) in _checks(result).items()} == {
        "no_sign_in_is_about_to_end": True,
        "every_list_is_read_in_time": True,
    }
    worker = _run(settings, instance, "drain_esi_user_killmails_queue", {"consume_esi_user_killmails_queue": QUICK})
    syncs = _materialized(worker, "ops", "syncs")
    assert (syncs["stored"], syncs["rows written: syncs"]) == (1, 1)
    assert str(len(OWN)) in syncs["sample"]
    _run(
        settings, instance, "drain_esi_corporation_killmails_queue", {"consume_esi_corporation_killmails_queue": QUICK}
    )
    assert platform.scalar("select count(*) from ops.syncs where outcome = 'complete'") == 2
    assert _materialized(_run(settings, instance, "queue_users"), "ops", "users")["users due"] == 0


def test_some_users_can_be_queued_now(
    settings: Settings, platform: Platform, sandbox: Sandbox, instance: Instance
) -> None:
    platform.signed_in(sandbox.grant(BODIES_CHARACTER))
    result = _run(settings, instance, "queue_users", {"users": {"character_ids": [BODIES_CHARACTER]}})
    assert _materialized(result, "ops", "users")["lists queued"] == 2
    wrong = _run(settings, instance, "queue_users", {"users": {"character_ids": [1]}}, check=False)
    assert not wrong.success


def test_one_users_killmails_are_materialized_by_config(
    settings: Settings, platform: Platform, sandbox: Sandbox, instance: Instance
) -> None:
    platform.signed_in(sandbox.grant(BODIES_CHARACTER))
    source = {"source": {"user": {"character_ids": [BODIES_CHARACTER]}}}
    result = _run(settings, instance, "ingest_killmails", {"killmails": source})
    assert _materialized(result, "raw", "killmails")["dagster/row_count"] == len(OWN | CORPORATIONS_OWN)
    assert {row[0] for row in platform.rows("select killmail_id from raw.killmails")} == OWN | CORPORATIONS_OWN


def test_the_checks_say_who_has_to_sign_in_again_and_which_lists_are_late(
    settings: Settings, platform: Platform, sandbox: Sandbox, instance: Instance
) -> None:
    pilots = [id_ for id_ in sorted(WORLD.affiliations) if id_ > 90_000_000][:4]
    ended, unrenewable, failing, late = pilots
    for pilot in pilots:
        platform.signed_in(sandbox.grant(pilot))
    platform.execute(f"update ops.sign_ins set state = 'disabled', reason = 'Sold.' where character_id = {ended}")
    platform.execute(f"update ops.tokens set refresh_token = null where character_id = {unrenewable}")
    platform.execute(f"update ops.tokens set failing_since = now() - interval '2 hours' where character_id = {failing}")
    platform.execute(
        "update ops.killmail_lists set synced_at = now() - interval '2 days', newest_killmail_id = 1, "
        f"newest_killmail_at = now() where subject_id = {late}"
    )
    checks = _checks(_run(settings, instance, "queue_users"))
    passed, metadata = checks["no_sign_in_is_about_to_end"]
    assert (passed, metadata["users"], metadata[str(ended)]) == (False, 3, "Sold.")
    assert "cannot be renewed" in metadata[str(unrenewable)]
    assert "could not be renewed since" in metadata[str(failing)]
    passed, metadata = checks["every_list_is_read_in_time"]
    assert (passed, metadata["some"]) == (False, f"user_killmails:{late}")


def test_the_sso_is_upstream_of_the_users_and_they_of_their_queues() -> None:
    graph = build_defs().resolve_asset_graph()
    users = dg.AssetKey(["ops", "users"])
    assert dg.AssetKey(["ccp", "sso"]) in graph.get(users).parent_keys
    for queue in ("esi_user_killmails_queue", "esi_corporation_killmails_queue"):
        assert users in graph.get(dg.AssetKey(["queue", queue])).parent_keys
        assert dg.AssetKey(["queue", queue]) in graph.get(dg.AssetKey(["ops", "syncs"])).parent_keys
        assert dg.AssetKey(["queue", queue]) in graph.get(dg.AssetKey(["queue", "esi_killmail_queue"])).parent_keys

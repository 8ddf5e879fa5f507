"""The main job from end to end, from an installed wheel: on the embedded servers and on the operator's own."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pandas as pd
import requests

from killreport_assets import __version__
from killreport_assets.base.files import PACKAGE
from killreport_assets.base.network import free_port
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets_testing import genuine
from killreport_assets_testing.waiting import answers, wait_until
from killreport_assets_tests.end_to_end.conftest import Home

Run = tuple[Home, subprocess.CompletedProcess[str]]
UI_SECONDS = 180
TOO_OLD_OR_FEW = {"coalitions", "doctrines", "fleets", "pilot_roles", "srp_losses", "staging_systems", "time_zones"}
"""Example queries that have no row for the genuine killmails: of the last 90 days, or of many losses in a month."""
NOT_LOADED = {"sovereignty"}
"""Those about what the main job does not load, because it would be of the moment."""
COMPARED = {
    "raw.killmails": "killmail_id, killmail_time, killmail_hash, solar_system_id, moon_id, war_id, "
    "victim_character_id, victim_corporation_id, victim_alliance_id, victim_faction_id, victim_ship_type_id, "
    "victim_damage_taken, position_x, position_y, position_z, source",
    "raw.killmail_attackers": "*",
    "raw.killmail_items": "*",
    "raw.alliances": "alliance_id, name, ticker",
    "raw.corporations": "corporation_id, name, ticker, alliance_id, member_count, type",
    "raw.characters": "character_id, name, corporation_id, alliance_id, birthday, gender, security_status",
    "raw.types": "type_id, name, group_id, market_group_id, volume, mass, meta_level, tech_level, source",
    "raw.systems": "*",
    "raw.inventory_flags": "*",
    "ops.enrichments": "entity_kind, entity_id, killmail_id, roles, outcome, queue, message_id",
    "marts.mart_corporation_daily": "*",
    "marts.dim_types": "*",
    "marts.fct_killmails": "killmail_id, solar_system_name, victim_ship_name, victim_character_name, attacker_count, "
    "item_row_count, final_blow_corporation_id, zkillboard_total_value",
}


def _count(home: Home, query: str) -> int:
    [row] = home.sql(query)
    count: int = next(iter(row.values()))
    return count


def test_what_asks_no_service_works_on_the_sandboxs_data(embedded_run: Run) -> None:
    home = embedded_run[0]
    traced = home.run("trace", "killmail", "435341")
    assert traced.returncode == 0, traced.stderr
    assert "killmail 435341 of 2008-01" in traced.stdout
    traced = json.loads(home.run("trace", "character", "580797163", "--json").stdout)
    assert traced["caused_by"] > 0
    assert home.run("follow", "--list").stdout == "nothing is followed\n"
    assert home.run("dead-letters", "list").stdout == "no dead letters\n"
    assert home.run("status").returncode == 0
    eft = home.run("fit", "43241326").stdout
    hull, title = re.fullmatch(r"\[(.+), (killmail 43241326)\]", eft.splitlines()[0]).groups()  # type: ignore[union-attr]
    battle = home.path.with_name("battle.html")
    written = home.run("report", "--battle", "39085995", "--output", str(battle))
    assert written.returncode == 0, written.stderr
    assert "Battle of Kehjari" in battle.read_text()
    refused = home.run("report", "--days", "3", "--output", str(battle))
    assert (refused.returncode, refused.stderr) == (2, "error: --days has no effect without --entity\n")
    [stored] = home.sql("select victim_ship_name from marts.fct_killmails where killmail_id = 43241326")
    assert (hull, title) == (stored["victim_ship_name"], "killmail 43241326")
    fitted = home.sql("select distinct item_name from marts.fct_items where killmail_id = 43241326 and slot = 'high'")
    assert [row["item_name"] for row in fitted if row["item_name"] not in eft] == []
    assert fitted


def test_the_worked_examples_give_what_they_say(embedded_run: Run) -> None:
    page = (PACKAGE.parent / "docs" / "examples.md").read_text()
    examples = re.findall(r"```sql\n(.*?)```\n\ngives\n\n```json\n(.*?)```", page, re.DOTALL)
    assert len(examples) == page.count("\n## ") >= 20
    for query, rows in examples:
        assert embedded_run[0].sql(query) == [json.loads(row) for row in rows.splitlines()], query


def test_the_lake_has_every_row_of_every_mart(embedded_run: Run) -> None:
    home = embedded_run[0]
    exported = home.run("lake", "export")
    assert exported.returncode == 0, exported.stderr
    verified = home.run("lake", "verify")
    assert verified.returncode == 0, verified.stdout
    marts = [
        row["name"]
        for row in home.sql(
            "select table_name as name from information_schema.tables where table_schema = 'marts' order by 1"
        )
    ]
    assert len(marts) > 50
    counts = " union all ".join(f"select '{mart}' as mart, count(*) as n from marts.{mart}" for mart in marts)
    asked = json.loads(home.run("lake", "sql", "--json", counts).stdout)
    assert {row["mart"]: row["n"] for row in asked} == {row["mart"]: row["n"] for row in home.sql(counts)}
    isk = "select sum(total_value) as isk, sum(length(victim_ship_name)) as letters from marts.fct_killmails"
    [[of_lake], [stored]] = json.loads(home.run("lake", "sql", "--json", isk).stdout), home.sql(isk)
    assert (float(of_lake["isk"]), of_lake["letters"]) == (float(stored["isk"]), stored["letters"])
    assert "0 files written" in home.run("lake", "export").stdout


def test_everything_arrives_and_nothing_is_left_behind(embedded_run: Run) -> None:
    home, run = embedded_run
    assert run.returncode == 0, run.stdout + run.stderr
    assert "left behind" not in run.stdout
    # The counts by other means: straight from the file.
    lines = [json.loads(line)["esi"] for line in genuine.KILLMAILS.read_text().splitlines()]
    items = [item for body in lines for item in body["victim"].get("items", [])]
    nested = sum(len(item.get("items", [])) for item in items)
    attackers = sum(len(body["attackers"]) for body in lines)
    assert len(lines) == 394
    for name, count in (("killmails", 394), ("attackers", attackers), ("items", len(items) + nested)):
        assert re.search(rf"^\s*{name}\s+{count:,}\b", run.stdout, re.MULTILINE), name
    assert f"{nested:,} of them nested" in run.stdout
    assert "dead letters" in run.stdout
    assert "mart_corporation_daily" in run.stdout
    assert _count(home, "select count(*) as n from raw.killmail_items where parent_index is not null") == nested
    rows = home.run("sql", "--json", "select count(*) as killmails from marts.fct_killmails")
    assert json.loads(rows.stdout) == [{"killmails": 394}]
    assert home.run("--version").stdout.strip() == f"killreport {__version__}"


def test_nothing_is_written_into_the_package(embedded_run: Run) -> None:
    home = embedded_run[0]
    [package] = home.command.parents[1].glob("lib/python*/site-packages/killreport_assets")
    assert not list((package / "dbt_transforms").glob("target")) + list((package / "dbt_transforms").glob("logs"))
    assert (home.path / "dbt" / "target").is_dir()


def test_every_source_had_its_part(embedded_run: Run) -> None:
    rows = embedded_run[0].sql("select source, count(*) as killmails from raw.killmails group by source")
    assert {row["source"] for row in rows} == {"r2z2", "zkillboard", "everef", "esi"}
    assert min(row["killmails"] for row in rows) > 50


def test_every_entity_that_a_killmail_mentions_is_filled_in(embedded_run: Run) -> None:
    home = embedded_run[0]
    wanted: dict[str, set[int]] = {"character": set(), "corporation": set(), "alliance": set()}
    types = {int(id_) for id_ in re.findall(r'type_id": ?(\d+)', genuine.KILLMAILS.read_text())}
    for line in genuine.records():
        for one in [*line["esi"]["attackers"], line["esi"]["victim"]]:
            for kind, ids in wanted.items():
                ids |= {one[f"{kind}_id"]} if f"{kind}_id" in one else set()
    wanted["character"] = {id_ for id_ in wanted["character"] if id_ >= 90_000_000}
    for kind, ids in wanted.items():
        rows = home.sql(f"select {kind}_id as id from raw.{kind}s where name is not null and gone_at is null")
        assert {row["id"] for row in rows} == ids
    rows = home.sql("select type_id as id from raw.types where name is not null and group_id is not null")
    assert types <= {row["id"] for row in rows}
    assert _count(home, "select count(*) as n from ops.enrichments where outcome <> 'stored'") == 0


def test_all_queues_are_empty(embedded_run: Run) -> None:
    home = embedded_run[0]
    queues = [row["queue_name"] for row in home.sql("select queue_name from pgmq.meta")]
    assert len(queues) == 3 * len(WORK_QUEUES)
    in_all = " + ".join(f"(select count(*) from pgmq.q_{queue})" for queue in queues)
    assert _count(home, f"select {in_all} as n") == 0
    assert _count(home, "select count(*) as n from ops.dead_letters") == 0
    assert _count(home, "select count(*) as n from ops.entity_pending") == 0


def test_dbt_is_green_and_lineage_is_in_its_mart(embedded_run: Run) -> None:
    home, run = embedded_run
    assert re.search(r"✓ dbt\s", run.stdout)
    assert _count(home, "select count(*) as n from marts.fct_enrichments where entity_name is null") == 0
    [row] = home.sql("""
        select count(*) as n, count(distinct consuming_run) as runs from marts.fct_enrichments
        where seconds_to_enrich >= 0 and publishing_run is not null and consuming_run is not null
    """)
    assert row["n"] == _count(home, "select count(*) as n from ops.enrichments")
    assert row["runs"] >= 4


def test_the_example_queries_answer_in_every_format(embedded_run: Run, tmp_path: Path) -> None:
    home, _ = embedded_run
    listed = home.call("query")
    for file in (PACKAGE / "cli" / "queries").glob("*.sql"):
        assert file.stem in listed.stdout
        answer = home.call("query", file.stem, "--csv")
        assert answer.code == 0, answer.stderr
        assert len(answer.stdout.splitlines()) > (file.stem not in TOO_OLD_OR_FEW | NOT_LOADED), file.stem
    assert "rows" in home.run("query", "leaderboard").stdout
    assert home.call("query", "rivals", "--show").stdout.startswith("-- Which alliance kills which")
    script = f"'{home.command}' query rivals --parquet > '{tmp_path / 'rivals.parquet'}'"
    subprocess.run(["sh", "-c", script], check=True, env=home.variables({}))
    assert pd.read_parquet(tmp_path / "rivals.parquet")["kills"].sum() > 0
    unknown = home.call("query", "everything")
    assert unknown.code == 2
    assert "there is no query 'everything'; there are active_pilots" in unknown.stderr


def test_every_step_is_a_recorded_dagster_run(embedded_run: Run) -> None:
    home, _ = embedded_run
    answer = home.run("dagster", "run", "list", "--limit", "50")
    for job in (
        "load_static_data",
        "ingest_killmails",
        "drain_esi_character_info_queue",
        "load_market_history",
        "load_market_prices",
        "build_all_transforms",
    ):
        assert f"Job: {job}" in answer.stdout, answer.stdout + answer.stderr


def test_a_second_run_stores_nothing_and_reads_no_esi_body(embedded_run: Run) -> None:
    home, _ = embedded_run
    before = home.sql("select count(*) as killmails, max(stored_at) as newest from raw.killmails")
    again = home.run("run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert home.sql("select count(*) as killmails, max(stored_at) as newest from raw.killmails") == before
    requests = next(line for line in again.stdout.splitlines() if line.strip().startswith("requests"))
    assert "esi" not in requests.replace("ESI tokens", "")
    assert "0 ESI tokens" in requests


def test_the_ui_starts_and_nothing_of_it_is_left_when_it_is_ended(embedded_run: Run) -> None:
    home = embedded_run[0]
    port = free_port()
    web_port = free_port()
    ports = {
        "KILLREPORT_WEBSERVER_PORT": str(port),
        "KILLREPORT_SANDBOX_PORT": str(free_port()),
        "KILLREPORT_AUTH_PORT": str(web_port),
    }
    url = f"http://127.0.0.1:{port}/server_info"
    dev = subprocess.Popen(
        [home.command, "dev"],
        cwd=home.path.parent,
        env=home.variables(ports),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: dev.poll() is not None or answers(url), UI_SECONDS)
        assert requests.get(url, timeout=30).ok
        wait_until(lambda: answers(f"http://127.0.0.1:{web_port}/static/icon.svg"), UI_SECONDS)
        assert "Latest killmails" in requests.get(f"http://127.0.0.1:{web_port}/", timeout=60).text
    finally:
        dev.send_signal(signal.SIGINT)
    assert dev.wait(60) == 130
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in processes if str(home.path) in line and "postgres" not in line] == []


def test_the_operators_own_servers_give_the_same_tables(embedded_run: Run, external_run: Run) -> None:
    embedded, external = embedded_run[0], external_run[0]
    assert external_run[1].returncode == 0, external_run[1].stdout + external_run[1].stderr
    assert embedded.sql("select current_setting('server_version_num')::int / 10000 as v") != []
    for table, columns in COMPARED.items():
        query = f"select {columns} from {table}"
        ours, theirs = ({json.dumps(row, sort_keys=True) for row in home.sql(query)} for home in (embedded, external))
        assert ours, table
        assert ours == theirs, table


def test_the_operators_own_servers_were_used(external_run: Run) -> None:
    home, _ = external_run
    assert not (home.path / "postgres").exists()
    assert _count(home, "select count(*) as n from pg_namespace where nspname = 'pgmq'") == 0
    assert _count(home, "select count(*) as n from raw.killmails") == 394


def test_sandbox_and_live_never_meet(embedded_run: Run) -> None:
    home = embedded_run[0]
    refused = home.run("run", "--source", "live", KILLREPORT_CONTACT="me@example.com")
    assert refused.returncode == 2
    assert "never mixed" in refused.stderr
    assert "KILLREPORT_HOME=.killreport-live" in refused.stderr


def test_no_step_holds_much_memory(embedded_run: Run) -> None:
    # The largest of all processes of the run, dbt and PostgreSQL among them.
    peak = int(embedded_run[0].peak_file.with_suffix(".run").read_text()) / 1024
    assert 50 < peak < 500

"""The whole platform alive: how soon a released killmail is stored, and every entity on it named."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.result import Result
from killreport_assets.base.network import free_port
from killreport_assets.sandbox.generated import FIRST_GENERATED_ID
from killreport_assets_testing.databases import Databases

COMMAND = Path(sys.executable).with_name("killreport")
RELEASE_EVERY = 5.0
SETTLE_SECONDS, MEASURED_SECONDS = 60.0, 240.0
WANTED_STORED, WANTED_NAMED = 60.0, 120.0
LATENCIES = f"""
with released as (
    select killmail_id, killmail_time, stored_at from raw.killmails
    where killmail_id >= {FIRST_GENERATED_ID} and killmail_time > now() - interval '{MEASURED_SECONDS + 60} seconds'
        and killmail_time < now() - interval '60 seconds'
), named as (
    select r.killmail_id, max(extract(epoch from least(n.asked_at, e.enriched_at) - r.killmail_time)) as seconds
    from released r join ops.enrichments e using (killmail_id)
    left join raw.entity_names n using (entity_kind, entity_id)
    group by 1
)
select count(*) as killmails,
    percentile_cont(0.95) within group (order by extract(epoch from stored_at - killmail_time)) as stored_p95,
    (select percentile_cont(0.95) within group (order by coalesce(seconds, 1e9)) from named) as named_p95
from released
"""


def measure(_databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """`killreport dev` in a home of its own; takes five minutes."""
    home = stack.enter_context(tempfile.TemporaryDirectory(prefix="killreport-live-"))
    environment = os.environ | {
        "KILLREPORT_HOME": home,
        "KILLREPORT_SANDBOX_PORT": str(free_port()),
        "KILLREPORT_WEBSERVER_PORT": str(free_port()),
    }
    stack.callback(lambda: subprocess.run([COMMAND, "down"], env=environment, check=False, capture_output=True))
    with Path(home, "dev.log").open("w") as log:
        server = subprocess.Popen(
            [COMMAND, "dev", "--release-every", str(RELEASE_EVERY)], env=environment, stdout=log, stderr=log
        )
    try:
        time.sleep(SETTLE_SECONDS + MEASURED_SECONDS)
        answer = subprocess.run([COMMAND, "sql", "--json", LATENCIES], env=environment, capture_output=True, check=True)
        [row] = json.loads(answer.stdout)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(90)
    assert row["killmails"] > MEASURED_SECONDS / RELEASE_EVERY / 3, row
    for what, seconds, wanted in (
        ("in raw.killmails", row["stored_p95"], WANTED_STORED),
        ("every entity named", row["named_p95"], WANTED_NAMED),
    ):
        name = f"live: {what}, p95 of {row['killmails']} killmails"
        yield Result(name, seconds, "s", wanted=f"at most {wanted:.0f} s", met=seconds <= wanted)

"""Users' tokens on real servers: encrypted, refreshed by one at a time, ended when EVE ends them."""

import logging
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from killreport_assets.base.errors import UserError
from killreport_assets.http.errors import ServiceError, Unavailable
from killreport_assets.sandbox.world import BODIES_CHARACTER, World
from killreport_assets.settings import load_settings
from killreport_assets.users.store import list_users, reencrypt_all
from killreport_assets.users.tokens import ENDED, NO_REFRESH_TOKEN, OTHER_OWNER, SignedOut, token_keeper
from killreport_assets.users.vault import KEY_FILE, Vault, new_key
from killreport_assets_testing.platform import LONG_IDLE, QUICK, Platform
from killreport_assets_testing.sandbox import Sandbox

WORLD = World()
PILOTS = [id_ for id_ in sorted(WORLD.affiliations) if id_ > 90_000_000][:50]
EXPIRED = "update ops.tokens set expires_at = now() - interval '1 hour'"


@pytest.fixture
def pilot(platform: Platform, sandbox: Sandbox) -> int:
    """A pilot who has just signed in."""
    platform.signed_in(sandbox.grant(BODIES_CHARACTER))
    return BODIES_CHARACTER


def _refresh_token(platform: Platform, character_id: int) -> str:
    row = platform.rows(f"select refresh_token, key_id from ops.tokens where character_id = {character_id}")[0]
    return Vault(platform.settings).decrypt(*row).get_secret_value()


def test_the_database_holds_ciphertext_only(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    [row] = platform.rows("select t::text from ops.tokens t")
    assert not any(secret in row[0] for secret in sandbox.issued())
    assert row[0].count("gAAAA") == 2  # Fernet's version and the first bytes of the time
    assert _refresh_token(platform, pilot) in sandbox.issued()


def test_a_good_token_is_returned_as_it_is(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    access = platform.keeper.access(pilot)
    assert access.token.get_secret_value() in sandbox.issued()
    assert access.token_owner == f"killreport-sandbox:{pilot}"
    assert sandbox.token_requests() == 0
    assert str(access.token) not in sandbox.issued()


@pytest.mark.parametrize(("left", "requests"), [(59, 1), (90, 0), (-3_600, 1)])
def test_it_is_refreshed_when_less_than_a_minute_is_left(
    platform: Platform, sandbox: Sandbox, pilot: int, left: int, requests: int
) -> None:
    platform.execute(f"update ops.tokens set expires_at = now() + interval '{left} seconds'")
    platform.keeper.access(pilot)
    assert sandbox.token_requests() == requests


@pytest.mark.parametrize("rotation", [True, False])
def test_the_refresh_token_that_comes_back_is_kept(
    platform: Platform, sandbox: Sandbox, pilot: int, rotation: bool
) -> None:
    sandbox.sso(rotation=rotation)
    first = _refresh_token(platform, pilot)
    for _ in range(3):  # with rotation, each is good for one refresh
        platform.execute(EXPIRED)
        platform.keeper.access(pilot)
    assert (_refresh_token(platform, pilot) == first) is not rotation
    assert platform.user(pilot).state == "active"


def test_an_ended_grant_disables_the_user_with_a_reason(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    sandbox.end_grants(pilot)
    platform.execute(EXPIRED)
    with pytest.raises(SignedOut, match="Sign in again"):
        platform.keeper.access(pilot)
    assert (platform.user(pilot).state, platform.user(pilot).reason) == ("disabled", ENDED)
    assert platform.scalar("select count(*) from ops.tokens") == 0
    with pytest.raises(SignedOut):
        platform.keeper.access(pilot)
    assert sandbox.token_requests() == 1
    platform.signed_in(sandbox.grant(pilot))
    assert (platform.user(pilot).state, platform.user(pilot).reason) == ("active", None)


@pytest.mark.parametrize("kind", ["500", "502", "429", "timeout", "truncated"])
def test_everything_else_is_retried(platform: Platform, sandbox: Sandbox, pilot: int, kind: str) -> None:
    platform.execute(EXPIRED)
    sandbox.faults({"path": "/sso/v2/oauth/token", "kinds": [kind], "times": 1})
    with pytest.raises(ServiceError, match=r"50[024]|throttles|answered 200|unexpected shape"):
        platform.keeper.access(pilot)
    assert platform.user(pilot).state == "active"
    assert platform.scalar("select failing_since is not null from ops.tokens")


@pytest.mark.parametrize("kind", ["503", "429", "truncated"])
def test_a_refresh_token_is_not_spent_while_eves_keys_cannot_be_read(
    platform: Platform, sandbox: Sandbox, pilot: int, kind: str
) -> None:
    """Every run is a process with an empty cache: its first refresh would be lost when the keys cannot be read."""
    platform.execute(EXPIRED)
    fresh = token_keeper(platform.settings, platform.engine)
    sandbox.faults({"path": "/sso/oauth/jwks", "kinds": [kind]})
    with pytest.raises(ServiceError):
        fresh.access(pilot)
    assert sandbox.token_requests() == 0
    sandbox.faults()
    platform.execute("truncate ops.request_pace")
    assert token_keeper(platform.settings, platform.engine).access(pilot)
    assert platform.user(pilot).state == "active"


def test_a_refresh_token_is_not_spent_while_the_new_one_could_not_be_kept(
    platform: Platform, sandbox: Sandbox, pilot: int
) -> None:
    platform.keeper.access(pilot)
    key = platform.settings.home / KEY_FILE
    keys = key.read_text()
    for spoilt in (keys, "", None):
        platform.execute(EXPIRED)
        key.unlink()
        if spoilt is not None:
            key.write_text(spoilt)
            key.chmod(0o644 if spoilt else 0o600)
        with pytest.raises(UserError, match=r"chmod|no key in it|put the file back"):
            platform.keeper.access(pilot)
        assert sandbox.token_requests() == 0
        key.write_text(keys)
        key.chmod(0o600)
    assert platform.keeper.access(pilot)


@pytest.mark.parametrize("defect", ["wrong key", "future", "wrong audience", "alg none"])
def test_a_token_that_cannot_be_checked_is_asked_for_again_and_the_refresh_token_kept(
    platform: Platform, sandbox: Sandbox, pilot: int, defect: str
) -> None:
    """Our clock may be wrong, or EVE in the middle of changing its keys: that signs no one out."""
    platform.execute(EXPIRED)
    sandbox.sso(defect=defect, rotation=True)
    with pytest.raises(Unavailable, match="not valid"):
        platform.keeper.access(pilot)
    platform.execute("update ops.tokens set failing_since = failing_since - interval '2 hours'")
    with pytest.raises(Unavailable, match="not valid"):
        platform.keeper.access(pilot)
    assert platform.user(pilot).state == "active"
    assert platform.scalar("select now() - failing_since > interval '1 hour' from ops.tokens")  # since the first time
    sandbox.sso()
    assert platform.keeper.access(pilot)
    assert platform.scalar("select failing_since is null from ops.tokens")


def test_an_answer_without_a_refresh_token_leaves_the_old_one(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    """RFC 6749, section 6: the server may, not must, give a new one."""
    sandbox.sso(rotation=False, returns_refresh_token=False)
    before = _refresh_token(platform, pilot)
    for _ in range(2):
        platform.execute(EXPIRED)
        platform.keeper.access(pilot)
    assert _refresh_token(platform, pilot) == before


def test_a_missing_key_costs_only_those_whom_it_is_of(
    platform: Platform, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    for pilot in PILOTS[:3]:
        platform.signed_in(sandbox.grant(pilot))
    platform.execute(f"update ops.tokens set key_id = 'lost' where character_id = {PILOTS[0]}")
    platform.queue_due()
    report = platform.user_killmails(LONG_IDLE)
    assert (report.outcomes["stored"], report.outcomes["skipped"]) == (2, 1)
    assert "cannot read the sign-in" in str(platform.user(PILOTS[0]).outcome)
    assert "put it back" in caplog.text  # that is for the operator
    assert platform.user(PILOTS[0]).state == "active"


def test_signing_in_again_while_the_old_grant_ends_locks_no_one_out(
    platform: Platform, sandbox: Sandbox, pilot: int
) -> None:
    """Both write the user and the tokens: in one order."""
    outcomes: list[BaseException | None] = []
    for _ in range(6):
        platform.signed_in(sandbox.grant(pilot))
        platform.execute(EXPIRED)
        tokens = sandbox.grant(pilot)
        sandbox.end_grants(pilot)
        with ThreadPoolExecutor(2) as pool:
            ending = pool.submit(platform.keeper.access, pilot)
            signing_in = pool.submit(platform.signed_in, tokens)
            outcomes += [ending.exception(timeout=30), signing_in.exception(timeout=30)]
    assert not [error for error in outcomes if error is not None and not isinstance(error, SignedOut)]


def test_an_application_that_eve_does_not_know_is_the_operators_fault(
    platform: Platform, pilot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.execute(EXPIRED)
    monkeypatch.setenv("KILLREPORT_SSO_CLIENT_ID", "unknown")
    keeper = token_keeper(load_settings(), platform.engine)
    with pytest.raises(UserError, match="KILLREPORT_SSO_CLIENT_ID"):
        keeper.access(pilot)
    assert platform.user(pilot).state == "active"


def test_two_processes_refresh_one_token_once(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    platform.execute(EXPIRED)
    sandbox.faults(latency=0.5)  # both are there before the first answer
    command = [sys.executable, "-m", "killreport_assets_testing.refresh", str(pilot)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, f"killreport-sandbox:{pilot}")
    assert sandbox.token_requests() == 1


@pytest.mark.parametrize(("rotation", "state"), [(False, "active"), (True, "disabled")])
def test_a_process_killed_before_its_commit_leaves_a_user_who_knows(
    platform: Platform, sandbox: Sandbox, pilot: int, rotation: bool, state: str
) -> None:
    """Where EVE replaced the refresh token the new one is lost: the user is asked to sign in again."""
    sandbox.sso(rotation=rotation)
    platform.execute(EXPIRED)
    command = [sys.executable, "-m", "killreport_assets_testing.refresh", str(pilot), "die"]
    assert subprocess.run(command, timeout=60, input=b"go\n").returncode == -9
    assert sandbox.token_requests() == 1
    if rotation:
        with pytest.raises(SignedOut, match="Sign in again"):
            platform.keeper.access(pilot)
    else:
        platform.keeper.access(pilot)
    assert platform.user(pilot).state == state


def test_a_token_that_esi_rejects_is_replaced_before_it_expires(
    platform: Platform, sandbox: Sandbox, pilot: int
) -> None:
    access = platform.keeper.access(pilot)
    other = platform.keeper.access(pilot, rejected=access.token)
    assert other.token != access.token
    assert (
        platform.keeper.access(pilot, rejected=access.token).token == other.token
    )  # replaced once, by the first process
    assert sandbox.token_requests() == 1


def test_forgetting_while_a_list_is_read_leaves_nothing_and_locks_no_one_out(
    platform: Platform, sandbox: Sandbox
) -> None:
    errors: list[BaseException | None] = []
    for _ in range(4):
        for pilot in PILOTS[:4]:
            platform.signed_in(sandbox.grant(pilot))
        platform.execute("update ops.killmail_lists set next_at = now(), fresh_until = null")
        platform.queue_due()
        with ThreadPoolExecutor(5) as pool:
            worker = pool.submit(platform.user_killmails, QUICK)
            forgetting = [pool.submit(platform.keeper.forget, pilot) for pilot in PILOTS[:4]]
            errors += [worker.exception(timeout=60), *(future.exception(timeout=60) for future in forgetting)]
        for table in (
            "ops.sign_ins",
            "ops.tokens",
            "ops.syncs",
            "ops.killmail_lists where list_kind = 'user_killmails'",
        ):
            assert platform.scalar(f"select count(*) from {table}") == 0, table
    assert [error for error in errors if error is not None] == []


def test_changing_the_key_leaves_all_users_signed_in(platform: Platform, sandbox: Sandbox) -> None:
    for pilot in PILOTS[:3]:
        platform.signed_in(sandbox.grant(pilot))
    platform.execute(f"update ops.tokens set access_token = 'gAAAA-broken' where character_id = {PILOTS[2]}")
    running = platform.keeper  # has read the old key
    running.access(PILOTS[0])
    vault = Vault(platform.settings)
    old = vault.key_id
    vault.add_key()
    with platform.engine.begin() as connection:
        done = reencrypt_all(connection, vault)
    assert (done.users, done.damaged, done.key_missing) == (PILOTS[:2], [PILOTS[2]], [])
    assert vault.key_id != old
    assert dict(platform.rows("select key_id, count(*) from ops.tokens group by 1")) == {vault.key_id: 2}
    assert "damaged" in str(platform.user(PILOTS[2]).reason)
    assert running.access(PILOTS[1]).token.get_secret_value() in sandbox.issued()


def test_a_missing_key_is_said_and_signs_no_one_out(
    platform: Platform, pilot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLREPORT_TOKEN_KEY", new_key())
    keeper = token_keeper(load_settings(), platform.engine)
    with pytest.raises(UserError, match="is not in KILLREPORT_TOKEN_KEY: put it back"):
        keeper.access(pilot)
    assert platform.user(pilot).state == "active"
    assert keeper is not platform.keeper


def test_fifty_users_in_one_cycle_each_get_their_own_outcome(platform: Platform, sandbox: Sandbox) -> None:
    for pilot in PILOTS:
        platform.signed_in(sandbox.grant(pilot))
    kinds = [
        "good",
        "short",
        "expired",
        "ended",
        "no refresh",
        "no refresh but good",
        "sold",
        "rejected",
        "damaged",
        "failing",
    ]
    of = {kind: PILOTS[index :: len(kinds)] for index, kind in enumerate(kinds)}

    def change(kind: str, change: str) -> None:
        with platform.engine.begin() as connection:
            connection.execute(
                sa.text(f"update ops.tokens set {change} where character_id = any(:ids)"), {"ids": of[kind]}
            )

    change("short", "expires_at = now() + interval '30 seconds'")
    for kind in ("expired", "ended", "no refresh", "sold", "damaged", "failing"):
        change(kind, "expires_at = now() - interval '1 day'")
    for kind in ("no refresh", "no refresh but good"):
        change(kind, "refresh_token = null")
    change("damaged", "refresh_token = 'gAAAA-cut-off'")
    for pilot in of["ended"]:
        sandbox.end_grants(pilot)
    for pilot in of["sold"]:
        sandbox.sell(pilot)
    vault = Vault(platform.settings)
    change("rejected", f"access_token = '{vault.encrypt(SecretStr('not-a-token'))}'")
    sandbox.sso(failing=of["failing"])

    assert platform.queue_due().due_users == 50
    report = platform.user_killmails(LONG_IDLE)
    assert report.outcomes["stored"] == 25
    assert report.outcomes["skipped"] == 25
    assert report.outcomes["dead"] == 0
    with platform.engine.connect() as connection:
        users = {user.character_id: user for user in list_users(connection)}
    complete = {"good", "short", "expired", "no refresh but good", "rejected"}
    reasons = {"ended": ENDED, "no refresh": NO_REFRESH_TOKEN, "sold": OTHER_OWNER, "damaged": "damaged"}
    for kind, pilots in of.items():
        for pilot in pilots:
            user = users[pilot]
            assert (user.outcome == "complete") is (kind in complete), (kind, user)
            assert (user.state == "disabled") is (kind in reasons), (kind, user)
            assert reasons.get(kind, "") in (user.reason or ""), (kind, user)
    failing = users[of["failing"][0]]
    assert "503" in str(failing.outcome)
    assert failing.next_at is not None
    assert failing.next_at - datetime.now(UTC) > timedelta(seconds=200)
    assert platform.scalar("select count(*) from ops.tokens") == 50 - 20
    assert sandbox.statistics()["violations"] == {}


def test_budgets_are_each_users_own_and_never_exceeded(platform: Platform, sandbox: Sandbox) -> None:
    greedy, other = PILOTS[:2]
    for pilot in (greedy, other):
        platform.signed_in(sandbox.grant(pilot))
    sandbox.authorized_killmails(cache_seconds=0)
    for _ in range(18):
        platform.execute(
            "update ops.killmail_lists set next_at = now(), fresh_until = null, etag = null "
            f"where subject_id = {greedy} and list_kind = 'user_killmails'"
        )
        platform.execute(f"update ops.killmail_lists set next_at = now() + interval '1 d' where subject_id = {other}")
        platform.queue_due()
        platform.user_killmails()
    outcomes = [row[0] for row in platform.rows("select outcome from ops.syncs order by sync_id")]
    assert outcomes[:13] == ["complete"] * 13
    assert all("tokens of ESI's group char-killmail are spent" in outcome for outcome in outcomes[13:])
    platform.execute(f"update ops.killmail_lists set next_at = now() where subject_id = {other}")
    platform.queue_due()
    assert platform.user_killmails().outcomes["stored"] == 1
    assert sandbox.statistics()["violations"] == {}


def test_nothing_says_a_token_however_much_is_logged(
    platform: Platform, sandbox: Sandbox, pilot: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the libraries' debug lines, not an error, not a repr; EVE's own error text holds the refresh token."""
    caplog.set_level(logging.DEBUG)
    said = [repr(platform.keeper), repr(platform.settings), repr(platform.keeper.access(pilot))]
    platform.execute(EXPIRED)
    platform.queue_due()
    platform.user_killmails()
    tokens = sandbox.grant(pilot)
    sandbox.end_grants(pilot)
    for wrong in (
        lambda: platform.keeper.sso.refresh(SecretStr(tokens["refresh_token"])),
        lambda: platform.keeper.sso.exchange(tokens["refresh_token"], tokens["refresh_token"]),
        lambda: platform.keeper.sso.validate(SecretStr(tokens["refresh_token"])),
        lambda: platform.keeper.sso.validate(SecretStr(tokens["access_token"] + "x")),
    ):
        with pytest.raises(ServiceError) as error:
            wrong()
        said += [str(error.value), repr(error.value), "".join(traceback.format_exception(error.value))]
    assert caplog.text.count("oauth/token") >= 2  # the libraries do say something
    said.append(caplog.text)
    for secret in sandbox.issued():
        assert not any(secret in text or secret[:60] in text for text in said)


def test_sso_that_answers_nonsense_is_said_without_its_content(platform: Platform, sandbox: Sandbox) -> None:
    sandbox.faults({"path": "/sso/.well-known", "kinds": ["truncated"]})
    with pytest.raises(Unavailable, match="broken JSON"):
        platform.keeper.sso.refresh(SecretStr("x"))

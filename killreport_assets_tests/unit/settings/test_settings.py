"""Settings: defaults, origins, and one clear sentence for a wrong one."""

from pathlib import Path

import pytest

from killreport_assets.base.errors import UserError
from killreport_assets.settings import is_loopback, load_settings, origin_of, set_variable


def test_nothing_configured_means_embedded_servers_and_real_services() -> None:
    settings = load_settings()
    assert settings.database.database_url is None
    assert settings.queues.amqp_url is None
    assert settings.services.origin == "live"
    assert settings.services.esi_max_rps == 50


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ESI_MAX_RPS", "fast", "KILLREPORT_ESI_MAX_RPS: "),
        ("ESI_MAX_RPS", "0", "greater than or equal to 1"),
        ("ZKILLBOARD_MAX_PAGES", "101", "less than or equal to 100"),
        ("ESI_URL", "esi.evetech.net", "should be a valid URL"),
        ("AMQP_URL", "http://localhost", "URL scheme should be 'amqp' or 'amqps'"),
        ("DATABASE_URL", "mysql://somewhere", "URL scheme should be 'postgres'"),
        ("CONTACT", "nobody", "not a valid email address"),
        ("CONTACT", "a@example.com\r\nX-Injected: 1", "not a valid email address"),
        ("ESI_COMPATIBILITY_DATE", "today", "KILLREPORT_ESI_COMPATIBILITY_DATE"),
        ("UI_ALLOWED_HOSTS", "https://dagster.example.org", "hosts without a scheme"),
        ("UI_ALLOWED_HOSTS", "*", "hosts without a scheme"),
        ("SCAN_SCHEDULE", "every hour on the hour", "KILLREPORT_SCAN_SCHEDULE: must be a cron"),
        ("USERS_SCHEDULE", "60 * * * *", "KILLREPORT_USERS_SCHEDULE: must be a cron"),
        ("USERS_SCHEDULE", "0 0 31 2 *", "whose day comes"),
        ("ENTITY_TTL_DAYS", "9999999999", "KILLREPORT_ENTITY_TTL_DAYS: "),
        ("ESI_OUTAGE_SECONDS", "inf", "KILLREPORT_ESI_OUTAGE_SECONDS: "),
        ("RECONNECT_SECONDS", "nan", "KILLREPORT_RECONNECT_SECONDS: "),
        ("DELAY_TIERS", "1,inf", "KILLREPORT_DELAY_TIERS: "),
        ("DRAIN_RUNS", "esi_killmail_queue=999999999", "KILLREPORT_DRAIN_RUNS: "),
        ("ESI_MAX_RSP", "5", "there is no setting KILLREPORT_ESI_MAX_RSP; do you mean KILLREPORT_ESI_MAX_RPS?"),
        ("QQQQQ", "5", "`killreport settings` lists them"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(f"KILLREPORT_{name}", value)
    with pytest.raises(UserError, match="wrong setting") as error:
        load_settings()
    assert says in str(error.value)


def test_a_wrong_url_is_not_repeated_for_it_may_hold_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", "mysql://me:hunter2@db")
    with pytest.raises(UserError) as error:
        load_settings()
    assert "hunter2" not in str(error.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", "postgresql://me:hunter2@db/killreport")
    monkeypatch.setenv("KILLREPORT_AMQP_URL", "amqp://me:hunter2@mq/")
    assert "hunter2" not in repr(load_settings())


def test_sandbox_and_live_urls_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_ESI_URL", "http://127.0.0.1:8650/esi")
    monkeypatch.setenv("KILLREPORT_ZKILLBOARD_URL", "https://zkillboard.com")
    with pytest.raises(UserError, match="must not meet"):
        load_settings()


def test_a_local_esi_with_everything_else_left_real_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_ESI_URL", "http://127.0.0.1:8650/esi")
    with pytest.raises(UserError, match="must not meet"):
        load_settings()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1/esi", True),
        ("http://localhost", True),
        ("http://[::1]:80/", True),
        ("https://esi.evetech.net", False),
        ("https://127.0.0.1.evil.example", False),
        ("https://localhost.example", False),
    ],
)
def test_is_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_settings_by_queue_tiers_and_windows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_PARALLEL_FETCHES", "esi_character_info_queue=20, esi_type_info_queue=5")
    monkeypatch.setenv("KILLREPORT_DRAIN_RUNS", "esi_killmail_queue=1")
    monkeypatch.setenv("KILLREPORT_DELAY_TIERS", "1,2.5,10")
    monkeypatch.setenv("KILLREPORT_ESI_DOWNTIME", "10:55-11:20")
    settings = load_settings()
    assert settings.queues.parallel_fetches == {"esi_character_info_queue": 20, "esi_type_info_queue": 5}
    assert settings.queues.drain_runs == {"esi_killmail_queue": 1}
    assert settings.queues.delay_tiers == (1.0, 2.5, 10.0)
    assert str(settings.services.esi_downtime) == "10:55-11:20"
    monkeypatch.setenv("KILLREPORT_ESI_DOWNTIME", "")
    assert load_settings().services.esi_downtime is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PARALLEL_FETCHES", "esi_type_info_queue=many", "valid integer"),
        ("PARALLEL_FETCHES", "esi_type_info_queue", "must be like"),
        ("DELAY_TIERS", "30,5", "ascending"),
        ("DELAY_TIERS", "soon", "valid number"),
        ("ESI_DOWNTIME", "noon", "11:00-11:15"),
        ("ESI_DOWNTIME", "12:00-11:00", "before it ends"),
        ("LOG_FORMAT", "xml", "auto"),
        ("AMQP_MANAGEMENT_URL", "amqp://here", "http"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_wanted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"KILLREPORT_{name}", value)
    with pytest.raises(UserError, match=message) as error:
        load_settings()
    assert f"KILLREPORT_{name}" in str(error.value)


@pytest.mark.parametrize("name", ["KILLREPORT_DBT_HOST", "KILLREPORT_DBT_PASSWORD", "killreport_home"])
def test_what_children_of_ours_have_in_their_environment_is_known(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "something")
    load_settings()


def test_every_number_among_the_settings_has_bounds() -> None:
    for group in load_settings().groups.values():
        for name, info in type(group).model_fields.items():
            if info.annotation in {int, float}:
                bounds = {type(part).__name__ for part in info.metadata}
                assert {"Le", "Lt"} & bounds, name
                assert {"Ge", "Gt"} & bounds, name


def test_a_value_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("postgresql://me:hunter2@db/killreport\n")
    monkeypatch.setenv("KILLREPORT_DATABASE_URL_FILE", str(file))
    url = load_settings().database.database_url
    assert url is not None
    assert url.get_secret_value() == "postgresql://me:hunter2@db/killreport"
    assert origin_of("KILLREPORT_DATABASE_URL") == str(file)
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", "postgresql://db/killreport")
    with pytest.raises(UserError, match="KILLREPORT_DATABASE_URL and KILLREPORT_DATABASE_URL_FILE are both set"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("ESI_MAX_RPS_FILE", "fast", "KILLREPORT_ESI_MAX_RPS: "),
        ("ESI_MAX_RSP_FILE", "5", "there is no setting KILLREPORT_ESI_MAX_RSP_FILE"),
        ("TOKEN_KEY_FILE", None, "KILLREPORT_TOKEN_KEY_FILE: "),
    ],
)
def test_a_wrong_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: str | None, says: str
) -> None:
    file = tmp_path / "value"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(f"KILLREPORT_{name}", str(file))
    with pytest.raises(UserError) as error:
        load_settings()
    assert says in str(error.value)


def test_code_servers_are_addresses_by_code_location(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_CODE_SERVERS", "platform=code:4266, transforms=[::1]:4267")
    assert load_settings().operator.code_servers == {"platform": "code:4266", "transforms": "[::1]:4267"}
    for wrong in ("code:4266", "platform=code", "other=code:1"):
        monkeypatch.setenv("KILLREPORT_CODE_SERVERS", wrong)
        with pytest.raises(UserError, match="KILLREPORT_CODE_SERVERS"):
            load_settings()


def test_a_program_of_ours_may_change_what_came_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "days").write_text("7")
    monkeypatch.setenv("KILLREPORT_RUN_DAYS_FILE", str(tmp_path / "days"))
    assert load_settings().process.run_days == 7
    monkeypatch.setenv("KILLREPORT_RUN_DAYS", "")  # undone after the test
    set_variable("KILLREPORT_RUN_DAYS", "9")
    assert load_settings().process.run_days == 9

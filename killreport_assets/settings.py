"""Every environment variable that KillReport reads, typed, with its default.

Nothing else in the package reads the environment for its own settings. No connections are made here.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from killreport_assets.errors import UserError
from killreport_assets.queues.catalogue import WORK_QUEUES

Origin = Literal["sandbox", "live"]
SERVICES = ("esi_url", "sso_url", "zkillboard_url", "r2z2_url", "everef_url", "sde_url")


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine: localhost or an address of the loopback range."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL that starts with http:// or https://")
    return value.rstrip("/")


def _web_origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError("must be a scheme and a host only, like https://killreport.example.org")
    if parts.scheme != "https" and not is_loopback(value):
        raise ValueError("must be https: whoever listens could sign in as your users otherwise")
    return value


@dataclass(frozen=True)
class DailyWindow:
    """A part of every day, in UTC; does not go over midnight."""

    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"

    def seconds_left(self, now: time) -> float:
        """Seconds until the window ends; 0 outside of it."""
        if not self.begin <= now < self.end:
            return 0.0
        day = datetime(2026, 1, 1)  # noqa: DTZ001 - any day will do for a difference of two times
        left: timedelta = datetime.combine(day, self.end) - datetime.combine(day, now)
        return left.total_seconds()


def _daily_window(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value:
        return None
    try:
        begin, end = (time.fromisoformat(part.strip()) for part in value.split("-"))
    except ValueError:
        raise ValueError("must be a part of the day like 11:00-11:15, or empty") from None
    if begin >= end:
        raise ValueError("must begin before it ends")
    return DailyWindow(begin, end)


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        seconds = tuple(float(part) for part in value.split(","))
    except ValueError:
        raise ValueError("must be seconds, separated by commas, like 5,30,120,600") from None
    return seconds


def _ascending(value: tuple[float, ...]) -> tuple[float, ...]:
    if not value or any(seconds <= 0 for seconds in value) or list(value) != sorted(set(value)):
        raise ValueError("must be ascending seconds above 0")
    return value


def _by_queue(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if any(not number.strip().isdigit() or int(number) < 1 for _, _, number in pairs):
        raise ValueError(f"must be like {WORK_QUEUES[0].name}=2,{WORK_QUEUES[1].name}=20")
    return {name.strip(): int(number) for name, _, number in pairs}


def _region_ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not all(part.isdigit() and 10_000_000 <= int(part) < 20_000_000 for part in parts):
        raise ValueError("must be ids of regions with commas between, like 10000043,10000032")
    return tuple(map(int, parts))


def _known_queues(value: Mapping[str, int]) -> Mapping[str, int]:
    names = [queue.name for queue in WORK_QUEUES]
    if unknown := set(value) - set(names):
        raise ValueError(f"there is no queue {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
DelayTiers = Annotated[tuple[float, ...], NoDecode, BeforeValidator(_seconds), AfterValidator(_ascending)]
RegionIds = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_region_ids)]
ByQueue = Annotated[dict[str, int], NoDecode, BeforeValidator(_by_queue), AfterValidator(_known_queues)]


class Settings(BaseSettings):
    """The settings of one process; read once where a program starts and handed down."""

    model_config = SettingsConfigDict(env_prefix="KILLREPORT_", frozen=True)

    home: Path = Field(Path(".killreport"), description="where the embedded servers and Dagster keep their files")
    database_url: SecretStr | None = Field(None, description="a PostgreSQL; unset: the embedded one in HOME")
    dagster_database_url: SecretStr | None = Field(None, description="unset: database dagster beside DATABASE_URL's")
    amqp_url: SecretStr | None = Field(None, description="a RabbitMQ; unset: PGMQ in the same database")
    amqp_management_url: SecretStr | None = Field(
        None, description="its management API, http://user:password@host:15672; tells what is in flight"
    )

    esi_url: HttpUrl = Field("https://esi.evetech.net", description="EVE's API")
    sso_url: HttpUrl = Field("https://login.eveonline.com", description="EVE's sign-in")
    zkillboard_url: HttpUrl = Field("https://zkillboard.com", description="zKillboard's list API")
    r2z2_url: HttpUrl = Field("https://r2z2.zkillboard.com", description="zKillboard's live feed")
    everef_url: HttpUrl = Field("https://data.everef.net", description="EVE Ref's archives")
    sde_url: HttpUrl = Field("https://developers.eveonline.com/static-data", description="CCP's static data")

    contact: str | None = Field(
        None, description="your e-mail, for the User-Agent; no real service is asked without it"
    )
    esi_compatibility_date: str = Field("2026-08-18", pattern=r"^\d{4}-\d{2}-\d{2}$", description="ESI's shape")
    esi_max_rps: int = Field(50, ge=1, le=5000, description="requests to ESI in any second, all processes together")
    zkillboard_max_rps: int = Field(1, ge=1, le=1000, description="requests to zKillboard's lists a second")
    r2z2_max_rps: int = Field(10, ge=1, le=1000, description="requests to R2Z2 a second; it bans above 15 to 20")
    zkillboard_max_pages: int = Field(100, ge=1, le=100, description="pages of one zKillboard list; it has no more")
    http_timeout: float = Field(30.0, gt=0, le=60, description="seconds that a service may take to answer")
    esi_downtime: Annotated[DailyWindow | None, NoDecode, BeforeValidator(_daily_window)] = Field(
        DailyWindow(time(11, 0), time(11, 15)), description="ESI's daily downtime, UTC: failures then cost no attempt"
    )
    esi_outage_seconds: float = Field(60.0, gt=0, description="pause when ESI does not answer at all")
    entity_ttl_days: int = Field(7, ge=1, description="days after which a character, corporation or alliance is stale")
    market_regions: RegionIds = Field(
        (), description="regions whose market history to keep besides The Forge's: 10000043,10000032"
    )
    affiliation_ttl_hours: int = Field(24, ge=1, description="hours after which affiliations are looked up again")

    sso_client_id: str | None = Field(
        None, description="your application at https://developers.eveonline.com; users need it to sign in"
    )
    sso_client_secret: SecretStr | None = Field(None, description="its secret; unset for a native application")
    sso_max_rps: int = Field(10, ge=1, le=1000, description="requests to EVE's sign-in a second")
    token_key: SecretStr | None = Field(
        None, description="Fernet keys for users' tokens, newest first, commas between; unset: HOME/token-key"
    )
    auth_port: int = Field(8651, ge=1024, le=65535, description="where `killreport auth serve` listens")
    auth_url: Annotated[HttpUrl, AfterValidator(_web_origin)] | None = Field(
        None, description="how browsers reach it, https://killreport.example.org; unset: http://127.0.0.1:AUTH_PORT"
    )
    standard_interval: int = Field(900, ge=300, description="seconds between two looks at a user's killmails")
    premium_interval: int = Field(300, ge=300, description="the same for users of tier premium")

    delay_tiers: DelayTiers = Field(
        (5.0, 30.0, 120.0, 600.0), description="seconds before the first, second, ... retry of a message"
    )
    parallel_fetches: ByQueue = Field({}, description="requests at once of one drain, queue=number,...")
    drain_runs: ByQueue = Field({}, description="most drain runs at once, queue=number,...; default 3 each")
    reconnect_seconds: float = Field(
        120.0, ge=0, description="how long a drain tries to reach a lost broker or database again"
    )

    sandbox_port: int = Field(8650, ge=1024, le=65535, description="where the sandbox listens under make dev")
    webserver_port: int = Field(3000, ge=1024, le=65535, description="where Dagster's UI listens under make dev")

    feed_interval: int = Field(30, ge=10, description="seconds between two looks of the feed sensor")
    backlog_interval: int = Field(20, ge=10, description="seconds between two looks of the backlog sensors")
    # The first four are the original KillReport's times.
    alliances_schedule: str = Field("0 22 * * *", description="cron: queue alliances, missing or stale")
    alliance_corporations_schedule: str = Field("5 22 * * *", description="cron: queue alliances' corporation lists")
    corporations_schedule: str = Field("0 4 * * *", description="cron: queue corporations, missing or stale")
    characters_schedule: str = Field("0 0 1 * *", description="cron: queue characters, missing or stale")
    types_schedule: str = Field("35 11 * * *", description="cron: queue types, missing or stale")
    character_killmails_schedule: str = Field("22 * * * *", description="cron: queue followed characters' lists")
    users_schedule: str = Field("4-59/5 * * * *", description="cron: queue the killmail lists of users who are due")
    affiliations_schedule: str = Field("10 2 * * *", description="cron: look up who belongs where")
    scan_schedule: str = Field("7 * * * *", description="cron: publish entities that are still pending")
    static_data_schedule: str = Field("25 11 * * *", description="cron: look for a new static data export")
    checks_schedule: str = Field("41 3 * * *", description="cron: check the raw tables and the queues")
    lineage_schedule: str = Field("50 5 * * 0", description="cron: check that lineage and pending are complete")
    purge_schedule: str = Field("30 1 * * *", description="cron: purge Dagster's event log")
    market_history_schedule: str = Field("16 12 * * *", description="cron: read the newest days of market history")
    market_prices_schedule: str = Field("21 12 * * *", description="cron: note ESI's prices of the day")
    transforms_schedule: str = Field("3-59/15 * * * *", description="cron: bring the dbt tables up to date, if need be")
    nightly_transforms_schedule: str = Field("8 4 * * *", description="cron: the heavy dbt tables too, and every test")
    event_log_days: int = Field(14, ge=1, description="days that log lines and transient events are kept")
    metrics_port: int = Field(9464, ge=1024, le=65535, description="where `killreport metrics` listens")
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: JSON when not on a terminal")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="of the log lines")

    @field_validator("contact")
    @classmethod
    def _looks_like_an_email(cls, value: str | None) -> str | None:
        if value and ("@" not in value or any(c in value for c in "\r\n()")):
            raise ValueError("must be an e-mail address")
        return value or None

    @field_validator("amqp_url")
    @classmethod
    def _amqp(cls, value: SecretStr | None) -> SecretStr | None:
        if value and urlsplit(value.get_secret_value()).scheme not in {"amqp", "amqps"}:
            raise ValueError("must start with amqp:// or amqps://")
        return value

    @field_validator("amqp_management_url")
    @classmethod
    def _http(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            _http_url(value.get_secret_value())
        return value

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and urlsplit(value.get_secret_value()).scheme.split("+")[0] not in {"postgresql", "postgres"}:
            raise ValueError("must start with postgresql://")
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> "Settings":
        if len({is_loopback(getattr(self, name)) for name in SERVICES}) > 1:
            raise ValueError("some service URLs are local and some are not: sandbox and live data must not meet")
        return self

    @property
    def origin(self) -> Origin:
        """`sandbox` when ESI is on this machine, else `live`: what the database is stamped with."""
        return "sandbox" if is_loopback(self.esi_url) else "live"

    @property
    def public_auth_url(self) -> str:
        """How browsers reach the sign-in page."""
        return self.auth_url or f"http://127.0.0.1:{self.auth_port}"

    @property
    def absolute_home(self) -> Path:
        """HOME, absolute, `~` expanded."""
        return self.home.expanduser().resolve()


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment.

    Raises:
        UserError: a variable does not hold what it should; names it and never prints a secret's value.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as invalid:
        lines = []
        for error in invalid.errors():
            name = str(error["loc"][0]).upper() if error["loc"] else ""
            message = error["msg"].removeprefix("Value error, ")
            given = error["input"]
            shown = f", got {given!r}" if isinstance(given, str | int | float) and not name.endswith("_URL") else ""
            lines.append(f"KILLREPORT_{name}: {message}{shown}" if name else message)
        raise UserError("wrong setting: " + "; ".join(lines)) from None

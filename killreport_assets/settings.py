"""Every environment variable that KillReport reads, typed, with its default.

Nothing else in the package reads the environment for its own settings. No connections are made here.
"""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from killreport_assets.errors import UserError

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


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class Settings(BaseSettings):
    """The settings of one process; read once where a program starts and handed down."""

    model_config = SettingsConfigDict(env_prefix="KILLREPORT_", frozen=True)

    home: Path = Field(Path(".killreport"), description="where the embedded servers and Dagster keep their files")
    database_url: SecretStr | None = Field(None, description="a PostgreSQL; unset: the embedded one in HOME")
    dagster_database_url: SecretStr | None = Field(None, description="unset: database dagster beside DATABASE_URL's")
    amqp_url: SecretStr | None = Field(None, description="a RabbitMQ; unset: PGMQ in the same database")

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
    http_timeout: float = Field(30.0, gt=0, description="seconds that a service may take to answer")
    entity_ttl_days: int = Field(7, ge=1, description="days after which a character, corporation or alliance is stale")

    sandbox_port: int = Field(8650, ge=1024, le=65535, description="where the sandbox listens under make dev")
    webserver_port: int = Field(3000, ge=1024, le=65535, description="where Dagster's UI listens under make dev")

    feed_interval: int = Field(30, ge=10, description="seconds between two looks of the feed sensor")
    backlog_interval: int = Field(20, ge=10, description="seconds between two looks of the backlog sensors")
    scan_schedule: str = Field("7 * * * *", description="cron: publish entities that are still pending")
    static_data_schedule: str = Field("25 11 * * *", description="cron: look for a new static data export")
    checks_schedule: str = Field("41 3 * * *", description="cron: check the raw tables and the queues")
    transforms_schedule: str = Field("*/15 * * * *", description="cron: rebuild the dbt tables")

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
            name = "_".join(str(part) for part in error["loc"]).upper()
            message = error["msg"].removeprefix("Value error, ")
            given = error["input"]
            shown = f", got {given!r}" if isinstance(given, str | int | float) and not name.endswith("_URL") else ""
            lines.append(f"KILLREPORT_{name}: {message}{shown}" if name else message)
        raise UserError("wrong setting: " + "; ".join(lines)) from None

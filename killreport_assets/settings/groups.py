"""Every environment variable that KillReport reads, by group, typed, with its default.

A field `esi_url` is the variable `KILLREPORT_ESI_URL`. Nothing else in the package reads the environment for its own
settings. No connections are made here.
"""

from datetime import time
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from killreport_assets.settings.types import (
    ByQueue,
    Contact,
    Cron,
    DailyWindow,
    DayWindow,
    HttpUrl,
    Origin,
    Port,
    RegionIds,
    RetryDelaySeconds,
    SecretAmqpUrl,
    SecretHttpUrl,
    SecretPostgresUrl,
    WebOrigin,
    is_loopback,
)

SERVICES = ("esi_url", "sso_url", "zkillboard_url", "r2z2_url", "everef_url", "sde_url")


class Group(BaseSettings):
    """Some settings that belong together."""

    model_config = SettingsConfigDict(env_prefix="KILLREPORT_", frozen=True)


class ServiceSettings(Group):
    """The services: where they are, who asks, and how often at most."""

    esi_url: HttpUrl = Field("https://esi.evetech.net", description="EVE's API")
    sso_url: HttpUrl = Field("https://login.eveonline.com", description="EVE's sign-in")
    zkillboard_url: HttpUrl = Field("https://zkillboard.com", description="zKillboard's list API")
    r2z2_url: HttpUrl = Field("https://r2z2.zkillboard.com", description="zKillboard's live feed")
    everef_url: HttpUrl = Field("https://data.everef.net", description="EVE Ref's archives")
    sde_url: HttpUrl = Field("https://developers.eveonline.com/static-data", description="CCP's static data")
    contact: Contact = Field(None, description="your e-mail, for the User-Agent; without it no real service is asked")
    esi_compatibility_date: str = Field("2026-08-18", pattern=r"^\d{4}-\d{2}-\d{2}$", description="ESI's shape")
    esi_max_rps: int = Field(50, ge=1, le=5000, description="requests to ESI in any second, all processes together")
    zkillboard_max_rps: int = Field(1, ge=1, le=1000, description="requests to zKillboard's lists a second")
    r2z2_max_rps: int = Field(10, ge=1, le=1000, description="requests to R2Z2 a second; it bans above 15 to 20")
    sso_max_rps: int = Field(10, ge=1, le=1000, description="requests to EVE's sign-in a second")
    zkillboard_max_pages: int = Field(100, ge=1, le=100, description="pages of one zKillboard list; it has no more")
    http_timeout: float = Field(30.0, gt=0, le=60, description="seconds that a service may take to answer")
    esi_downtime: DayWindow = Field(
        DailyWindow(time(11, 0), time(11, 15)), description="ESI's daily downtime, UTC: failures then cost no attempt"
    )
    esi_outage_seconds: float = Field(60.0, gt=0, description="pause when ESI does not answer at all")

    @model_validator(mode="after")
    def _one_origin(self) -> "ServiceSettings":
        if len({is_loopback(url) for url in self.urls}) > 1:
            raise ValueError("some service URLs are local and some are not: sandbox and live data must not meet")
        return self

    @property
    def urls(self) -> list[str]:
        """The URLs of all services."""
        values = self.model_dump()
        return [values[name] for name in SERVICES]

    @property
    def origin(self) -> Origin:
        """`sandbox` when the services are on this machine, else `live`."""
        return "sandbox" if is_loopback(self.esi_url) else "live"


class DatabaseSettings(Group):
    """The databases, and how long to try to reach a server again."""

    database_url: SecretPostgresUrl | None = Field(None, description="a PostgreSQL; unset: the embedded one in HOME")
    dagster_database_url: SecretPostgresUrl | None = Field(
        None, description="unset: database dagster beside DATABASE_URL's"
    )
    reconnect_seconds: float = Field(
        120.0, ge=0, description="how long a worker tries to reach a lost broker or database again"
    )


class QueueSettings(Group):
    """The broker and the workers."""

    amqp_url: SecretAmqpUrl | None = Field(None, description="a RabbitMQ; unset: PGMQ in the same database")
    amqp_management_url: SecretHttpUrl | None = Field(
        None, description="its management API, http://user:password@host:15672; knows what is in flight"
    )
    delay_tiers: RetryDelaySeconds = Field(
        (5.0, 30.0, 120.0, 600.0), description="retry delays: seconds before the first, second, ... retry of a message"
    )
    parallel_fetches: ByQueue = Field({}, description="requests at once of one worker, queue=number,...")
    drain_runs: ByQueue = Field({}, description="most worker runs at once, queue=number,...; default 3 each")


class DataSettings(Group):
    """What is kept, and when it is stale."""

    entity_ttl_days: int = Field(7, ge=1, description="days after which a character, corporation or alliance is stale")
    affiliation_ttl_hours: int = Field(24, ge=1, description="hours after which affiliations are looked up again")
    market_regions: RegionIds = Field(
        (), description="regions whose market history to keep besides The Forge's: 10000043,10000032"
    )


class UserSettings(Group):
    """Those who sign in with EVE: the application, the keys, the page, the intervals."""

    sso_client_id: str | None = Field(
        None, description="your application at https://developers.eveonline.com; users need it to sign in"
    )
    sso_client_secret: SecretStr | None = Field(None, description="its secret; unset for a native application")
    token_key: SecretStr | None = Field(
        None, description="Fernet keys for users' tokens, newest first, commas between; unset: HOME/token-key"
    )
    auth_port: Port = Field(8651, description="where `killreport auth serve` listens")
    auth_url: WebOrigin | None = Field(
        None, description="how browsers reach it, https://killreport.example.org; unset: http://127.0.0.1:AUTH_PORT"
    )
    standard_interval: int = Field(900, ge=300, description="seconds between two looks at a user's killmails")
    premium_interval: int = Field(300, ge=300, description="the same for users of tier premium")

    @property
    def public_auth_url(self) -> str:
        """How browsers reach the sign-in page."""
        return self.auth_url or f"http://127.0.0.1:{self.auth_port}"


class ScheduleSettings(Group):
    """When what is started: crons in UTC, and the intervals of sensors."""

    feed_interval: int = Field(30, ge=10, description="seconds between two looks of the feed sensor")
    backlog_interval: int = Field(20, ge=10, description="seconds between two looks of the backlog sensors")
    # The first four are the original KillReport's times.
    alliances_schedule: Cron = Field("0 22 * * *", description="cron: queue alliances, missing or stale")
    alliance_corporations_schedule: Cron = Field("5 22 * * *", description="cron: queue alliances' corporation lists")
    corporations_schedule: Cron = Field("0 4 * * *", description="cron: queue corporations, missing or stale")
    characters_schedule: Cron = Field("0 0 1 * *", description="cron: queue characters, missing or stale")
    types_schedule: Cron = Field("35 11 * * *", description="cron: queue types, missing or stale")
    character_killmails_schedule: Cron = Field("22 * * * *", description="cron: queue followed characters' lists")
    users_schedule: Cron = Field("4-59/5 * * * *", description="cron: queue the killmail lists of users who are due")
    affiliations_schedule: Cron = Field("10 2 * * *", description="cron: look up who belongs where")
    scan_schedule: Cron = Field("7 * * * *", description="cron: publish entities that are still pending")
    static_data_schedule: Cron = Field("25 11 * * *", description="cron: look for a new static data export")
    checks_schedule: Cron = Field("41 3 * * *", description="cron: check the raw tables and the queues")
    lineage_schedule: Cron = Field("50 5 * * 0", description="cron: check that lineage and pending are complete")
    purge_schedule: Cron = Field("30 1 * * *", description="cron: purge Dagster's event log")
    market_history_schedule: Cron = Field("16 12 * * *", description="cron: read the newest days of market history")
    market_prices_schedule: Cron = Field("21 12 * * *", description="cron: note ESI's prices of the day")
    transforms_schedule: Cron = Field("3-59/15 * * * *", description="cron: bring the dbt tables up to date, if due")
    nightly_transforms_schedule: Cron = Field("8 4 * * *", description="cron: the nightly dbt tables too, every test")

    def of_producer(self, name: str) -> str:
        """The cron of a producer.

        Raises:
            KeyError: it has no setting here.
        """
        cron: str = self.model_dump()[f"{name}_schedule"]
        return cron


class ProcessSettings(Group):
    """This machine: where files are kept, which ports are listened on, how lines are logged."""

    home: Path = Field(Path(".killreport"), description="where the embedded servers and Dagster keep their files")
    sandbox_port: Port = Field(8650, description="where the sandbox listens under make dev")
    webserver_port: Port = Field(3000, description="where Dagster's UI listens under make dev")
    metrics_port: Port = Field(9464, description="where `killreport metrics` listens")
    event_log_days: int = Field(14, ge=1, description="days that Dagster's log lines and transient events are kept")
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: JSON when not on a terminal")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="of the log lines")

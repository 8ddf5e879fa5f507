"""The environment variables that KillReport reads, in groups, with types and defaults.

The field `esi_url` is the variable `KILLREPORT_ESI_URL`. Nothing else in the package reads its own settings from the
environment. Nothing here connects to a server.
"""

from datetime import date, time
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from killreport_assets.settings.home import find_home
from killreport_assets.settings.types import (
    Addresses,
    ByQueue,
    Contact,
    Cron,
    DailyWindow,
    DayWindow,
    EveIds,
    Home,
    Hosts,
    HttpUrl,
    ImageOrigin,
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
    """A group of related settings."""

    model_config = SettingsConfigDict(env_prefix="KILLREPORT_", frozen=True)


class ServiceSettings(Group):
    """The services: their URLs, the contact, rate limits and timeouts."""

    esi_url: HttpUrl = Field("https://esi.evetech.net", description="EVE's API")
    sso_url: HttpUrl = Field("https://login.eveonline.com", description="EVE's sign-in")
    zkillboard_url: HttpUrl = Field("https://zkillboard.com", description="zKillboard's list API")
    r2z2_url: HttpUrl = Field("https://r2z2.zkillboard.com", description="zKillboard's live feed")
    everef_url: HttpUrl = Field("https://data.everef.net", description="EVE Ref's archives")
    sde_url: HttpUrl = Field("https://developers.eveonline.com/static-data", description="CCP's static data")
    contact: Contact = Field(
        None, description="your e-mail, for the User-Agent; required for requests to real services"
    )
    esi_compatibility_date: str = Field(
        "2026-08-18", pattern=r"^\d{4}-\d{2}-\d{2}$", description="the date of ESI's shapes"
    )
    esi_max_rps: int = Field(50, ge=1, le=5000, description="requests to ESI in any second, all processes together")
    zkillboard_max_rps: int = Field(1, ge=1, le=1000, description="requests to zKillboard's lists per second")
    r2z2_max_rps: int = Field(10, ge=1, le=1000, description="requests to R2Z2 per second; it bans above 15 to 20")
    sso_max_rps: int = Field(10, ge=1, le=1000, description="requests to EVE's sign-in per second")
    zkillboard_max_pages: int = Field(
        100, ge=1, le=100, description="pages read of one zKillboard list; zKillboard has at most 100"
    )
    http_timeout: float = Field(30.0, gt=0, le=60, description="seconds that a service may take to answer")
    http_deadline: float = Field(60.0, gt=0, le=3600, description="seconds that a whole answer may take")
    http_max_mib: int = Field(
        64, ge=1, le=4096, description="size of an answer, unpacked, above which it is refused: MiB"
    )
    download_deadline: float = Field(3600.0, gt=0, le=86400, description="seconds that the download of a file may take")
    download_max_mib: int = Field(
        4096,
        ge=1,
        le=65536,
        description="size of a downloaded file, packed or unpacked, above which it is refused: MiB",
    )
    killmail_max_mib: int = Field(
        16, ge=1, le=1024, description="size of a killmail in an archive above which it is rejected: MiB"
    )
    esi_downtime: DayWindow = Field(
        DailyWindow(time(11, 0), time(11, 15)),
        description="ESI's daily downtime, UTC: failures in it do not count as attempts",
    )
    esi_outage_seconds: float = Field(60.0, gt=0, le=86_400, description="seconds to pause when ESI is down")

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
    """The databases, and how long to retry a lost connection."""

    database_url: SecretPostgresUrl | None = Field(None, description="your PostgreSQL; unset: the embedded one in HOME")
    dagster_database_url: SecretPostgresUrl | None = Field(
        None, description="Dagster's database; unset: `dagster` on the same server"
    )
    reader_url: SecretPostgresUrl | None = Field(
        None, description="a role that only reads, for killreport sql; unset: killreport_reader, created by KillReport"
    )
    web_reader_url: SecretPostgresUrl | None = Field(
        None, description="a role that reads the marts, for the web application; unset: killreport_web, created so"
    )
    reconnect_seconds: float = Field(
        120.0, ge=0, le=86_400, description="seconds that a worker retries a lost connection to the broker or database"
    )


class QueueSettings(Group):
    """The broker and the workers."""

    amqp_url: SecretAmqpUrl | None = Field(None, description="your RabbitMQ; unset: PGMQ in the database")
    amqp_management_url: SecretHttpUrl | None = Field(
        None, description="RabbitMQ's management API, http://user:password@host:15672; reports messages in flight"
    )
    delay_tiers: RetryDelaySeconds = Field(
        (5.0, 30.0, 120.0, 600.0), description="retry delays: seconds before the first, second, ... retry of a message"
    )
    parallel_fetches: ByQueue = Field({}, description="concurrent requests of one worker, queue=number,...")
    drain_runs: ByQueue = Field({}, description="maximum concurrent worker runs, queue=number,...; default 3 each")


class DataSettings(Group):
    """Which data is kept, and when it is stale."""

    entity_ttl_days: int = Field(
        7, ge=1, le=10_000, description="days after which a character, corporation or alliance is stale"
    )
    affiliation_ttl_hours: int = Field(
        24, ge=1, le=100_000, description="hours after which affiliations are fetched again"
    )
    archive_cache_mib: int = Field(
        1024, ge=0, le=10_000_000, description="downloaded archives that are kept in HOME/archives: MiB"
    )
    marts_from: date | None = Field(
        None,
        description="first day of the marts, 2020-01-01: killmails of earlier months are stored only; unset: all. "
        "An earlier day, or none, needs killreport dbt build --full-refresh",
    )
    lake_url: str | None = Field(
        None, description="directory or object store (s3://bucket/lake) of the lake's files; unset: HOME/lake"
    )
    lake_keep_days: int = Field(
        7, ge=0, le=10_000, description="days that superseded files and snapshots of the lake are kept"
    )
    market_regions: RegionIds = Field(
        (), description="regions whose market history to keep in addition to The Forge's: 10000043,10000032"
    )


class UserSettings(Group):
    """Users who sign in with EVE: the application, the keys, the sign-in page, the intervals."""

    sso_client_id: str | None = Field(
        None, description="your application at https://developers.eveonline.com; users need it to sign in"
    )
    sso_client_secret: SecretStr | None = Field(None, description="its secret; unset for a native application")
    token_key: SecretStr | None = Field(
        None, description="Fernet keys for users' tokens, newest first, comma-separated; unset: HOME/token-key"
    )
    auth_port: Port = Field(8651, description="port of `killreport web serve`, where users sign in")
    auth_url: WebOrigin | None = Field(
        None, description="its URL for browsers, https://killreport.example.org; unset: http://127.0.0.1:AUTH_PORT"
    )
    standard_interval: int = Field(
        900, ge=300, le=10_000_000, description="seconds between two syncs of a user's killmails"
    )
    premium_interval: int = Field(300, ge=300, le=10_000_000, description="the same for users of tier premium")

    @property
    def public_auth_url(self) -> str:
        """The URL of the sign-in page for browsers."""
        return self.auth_url or f"http://127.0.0.1:{self.auth_port}"


class WebSettings(Group):
    """The web application, for readers and their programs."""

    image_url: ImageOrigin = Field(
        "https://images.evetech.net", description="the server of ships' pictures; none: plain drawings of our own"
    )
    api_public: bool = Field(True, description="whether the API answers those who have no token and no session")
    api_requests_anonymous: int = Field(
        60, ge=1, le=1_000_000, description="requests to the API in a minute from one address without a token"
    )
    api_requests_known: int = Field(
        600, ge=1, le=1_000_000, description="requests to the API in a minute with one token, or one account's session"
    )
    sync_wait_seconds: float = Field(
        10.0, ge=0, le=60, description="seconds that syncMyKillmails waits for the sync that it requested"
    )


class ScheduleSettings(Group):
    """Schedules as crons in UTC, and the intervals of sensors."""

    feed_interval: int = Field(30, ge=10, le=86_400, description="seconds between two ticks of the feed sensor")
    backlog_interval: int = Field(20, ge=10, le=86_400, description="seconds between two ticks of the backlog sensors")
    # The first four are the original KillReport's times.
    alliances_schedule: Cron = Field("0 22 * * *", description="cron: queue alliances, missing or stale")
    alliance_corporations_schedule: Cron = Field("5 22 * * *", description="cron: queue alliances' corporation lists")
    corporations_schedule: Cron = Field("0 4 * * *", description="cron: queue corporations, missing or stale")
    characters_schedule: Cron = Field("0 0 1 * *", description="cron: queue characters, missing or stale")
    types_schedule: Cron = Field("35 11 * * *", description="cron: queue types, missing or stale")
    character_killmails_schedule: Cron = Field("22 * * * *", description="cron: queue followed characters' lists")
    users_schedule: Cron = Field("4-59/5 * * * *", description="cron: queue the killmail lists of users who are due")
    affiliations_schedule: Cron = Field("10 2 * * *", description="cron: fetch stale affiliations")
    scan_schedule: Cron = Field("7 * * * *", description="cron: publish entities that are still pending")
    static_data_schedule: Cron = Field("25 11 * * *", description="cron: look for a new static data export")
    backup_schedule: Cron = Field("20 2 * * *", description="cron: back up to KILLREPORT_BACKUP_DIR")
    checks_schedule: Cron = Field("41 3 * * *", description="cron: check the raw tables and the queues")
    lineage_schedule: Cron = Field("50 5 * * 0", description="cron: check that lineage and pending are complete")
    purge_schedule: Cron = Field("30 1 * * *", description="cron: purge Dagster's event log")
    history_schedule: Cron = Field("35 9 * * *", description="cron: load the history's newest days, repair others")
    wars_schedule: Cron = Field("50 */6 * * *", description="cron: load wars, from archives and from ESI")
    sovereignty_schedule: Cron = Field(
        "12-59/15 * * * *", description="cron: load sovereignty campaigns, which ESI forgets when they are over"
    )
    market_history_schedule: Cron = Field("16 12 * * *", description="cron: read the newest days of market history")
    market_prices_schedule: Cron = Field("21 12 * * *", description="cron: store ESI's prices of the day")
    lake_schedule: Cron = Field("40 5 * * *", description="cron: export into the lake, if there is one")
    transforms_schedule: Cron = Field("3-59/15 * * * *", description="cron: build the frequent dbt models, if due")
    nightly_transforms_schedule: Cron = Field("8 4 * * *", description="cron: build all dbt models, run every test")

    def of_producer(self, name: str) -> str:
        """The cron of a producer.

        Raises:
            KeyError: the producer has no schedule setting.
        """
        cron: str = self.model_dump()[f"{name}_schedule"]
        return cron


class HealthSettings(Group):
    """What counts as healthy in `killreport status`, `/health` and the metrics."""

    max_feed_behind: int = Field(500, ge=1, le=10_000_000, description="entries that the feed may be behind its head")
    max_feed_silence: int = Field(
        300, ge=30, le=2_592_000, description="seconds without a successful reading of the feed, on live"
    )
    max_message_age: int = Field(1200, ge=10, le=2_592_000, description="seconds that a message may wait for a worker")
    max_urgent_age: int = Field(
        120, ge=10, le=2_592_000, description="seconds that a message of a priority lane may wait"
    )
    max_run_wait: int = Field(300, ge=10, le=2_592_000, description="seconds that a run may wait in Dagster's queue")
    max_run_start: int = Field(
        120, ge=10, le=2_592_000, description="seconds from a run's launch to its first sign; its process has to start"
    )
    max_daemon_silence: int = Field(
        60, ge=40, le=2_592_000, description="seconds without a heartbeat of Dagster's daemon"
    )
    max_tick_silence: int = Field(300, ge=60, le=2_592_000, description="seconds without a tick of a sensor that is on")
    max_build_delay: int = Field(
        7200, ge=60, le=2_592_000, description="seconds that a change may wait for a dbt build"
    )
    min_free_gib: float = Field(2.0, ge=0, le=1_000_000, description="free space of HOME's disk, GiB")


class OperatorSettings(Group):
    """Looking after the platform: who may, backups, alerts, what is kept."""

    admins: EveIds = Field(
        (), description="ids of characters, corporations and alliances whose pilots /auth/verify lets into Dagster's UI"
    )
    alert_urls: SecretStr | None = Field(
        None,
        description="where alerts go, as Apprise's URLs, separated by blanks: mailto://…, discord://…, ntfy://…; "
        "https://github.com/caronc/apprise/wiki",
    )
    alert_pause: int = Field(
        900, ge=0, le=604_800, description="seconds before a problem that comes and goes is in an alert again"
    )
    backup_dir: Path | None = Field(None, description="where the schedule's backups go; unset: it makes none")
    backup_keep: int = Field(7, ge=1, le=10_000, description="backups that are kept in it")
    max_backup_hours: int = Field(
        48, ge=1, le=10_000, description="hours since the last backup from which on `killreport doctor` warns"
    )
    sync_days: int = Field(90, ge=1, le=10_000, description="days that readings of killmail lists are kept")
    dead_letter_days: int = Field(90, ge=1, le=10_000, description="days that replayed dead letters are kept")
    code_servers: Addresses = Field(
        {},
        description="where the code locations are served: platform=host:port,transforms=host:port; unset: every "
        "program of Dagster starts its own",
    )
    run_launcher: Literal["processes", "celery"] = Field(
        "processes",
        description="where Dagster's runs are: processes of the code servers, or celery: taken from your RabbitMQ by "
        "`killreport run-worker`, on any machine",
    )
    dagster_yaml: Literal["own", "external"] = Field(
        "own", description="external: HOME/dagster/dagster.yaml is the operator's, and is not written"
    )


class ProcessSettings(Group):
    """This machine: the directory of files, ports, logging."""

    home: Home = Field(
        default_factory=find_home,
        description="directory of the embedded servers and of Dagster; unset: .killreport of the working directory, of "
        "one above it, or of the checkout",
    )
    sandbox_port: Port = Field(8650, description="port of the sandbox under make dev")
    webserver_port: Port = Field(3000, description="port of Dagster's UI under make dev")
    ui_allowed_hosts: Hosts = Field(
        (), description="hosts of Dagster's UI behind a reverse proxy, as browsers name them: dagster.example.org,..."
    )
    metrics_port: Port = Field(9464, description="port of `killreport metrics`")
    event_log_days: int = Field(
        14, ge=1, le=10_000, description="days that Dagster's log lines and transient events are kept"
    )
    run_days: int = Field(
        30, ge=1, le=10_000, description="days that ended runs are kept, with their events, log files and checks"
    )
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: JSON when not on a terminal")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="minimum level of log lines")

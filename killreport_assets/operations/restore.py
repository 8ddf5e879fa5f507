"""Restoring a backup into an empty home: rows, then everything that is true in one place at one time only.

That is: which messages a broker holds, which process has claimed what, which transactions dbt has built. How a backup
is made is in backup.py.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import URL

from killreport_assets.base.errors import ServerRefuses, UserError
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import (
    create_missing_databases,
    database_exists,
    database_urls,
    make_engine,
)
from killreport_assets.database.migrate import current_version, unknown_version
from killreport_assets.operations.backup import (
    JOBS,
    KEY_FILES,
    MANIFEST,
    Manifest,
    checksums,
    read_manifest,
    row_counts,
    run_program,
)
from killreport_assets.provision.database import begin_restore, bring_up_to_date, end_restore
from killreport_assets.provision.readers import WRITTEN_BY_DBT
from killreport_assets.settings import Settings
from killreport_assets.store.changed_days import DAY, THIS_TRANSACTION


def check_backup(backup: Path) -> Manifest:
    """Check that a backup is whole, and that this package can read it.

    Raises:
        UserError: it is no backup, or a file is missing or damaged.
        ServerRefuses: its schema is newer than this package.
    """
    manifest = read_manifest(backup)
    if problem := unknown_version(manifest.schema_version):
        raise ServerRefuses(problem.replace("the database", "the backup"))
    found = checksums(backup)
    if wrong := sorted(name for name in {*manifest.files, *found} if manifest.files.get(name) != found.get(name)):
        raise UserError(f"{backup} is damaged: {', '.join(wrong[:3])} (of {len(wrong)} files) differ from {MANIFEST}")
    return manifest


def restore(settings: Settings, backup: Path, keys: Path | None, say: Callable[[str], None]) -> Manifest:
    """Restore a backup into a home, or on a server, that has no data; then migrate it to this version.

    Raises:
        UserError: there is data already, or the backup is not whole.
        ServerRefuses: pg_restore failed, or the rows are not those of the manifest.
    """
    say("checking the backup …")
    manifest = check_backup(backup)
    _refuse_data(settings)
    if keys is not None:
        _bring_keys(settings, keys)
    urls = database_urls(settings)
    create_missing_databases(urls)
    begin_restore(settings)
    say("restoring killmails, entities and what is to be done …")
    _load(urls.killreport, backup / "killreport")
    if (backup / "dagster").is_dir():
        say("restoring Dagster's runs and events …")
        _load(urls.dagster, backup / "dagster")
    engine = make_engine(urls.killreport)
    try:
        _compare(engine, manifest)
        _make_coherent(engine, manifest, has_own_broker=settings.queues.amqp_url is None)
        if bring_up_to_date(settings, engine):
            say("migrated to this version")
    finally:
        engine.dispose()
    end_restore(settings)
    return manifest


def _refuse_data(settings: Settings) -> None:
    if settings.database.database_url is None and EmbeddedPostgres(settings.home).exists():
        raise UserError(f"{settings.home} has data: restore into an empty KILLREPORT_HOME")
    if settings.database.database_url is None:
        return
    urls = database_urls(settings)
    for url in (urls.killreport, urls.dagster):
        if database_exists(url) and _has_tables(url):
            raise UserError(f"the database {url.database} has tables: restore into an empty one")


def _has_tables(url: URL) -> bool:
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            return bool(
                connection.exec_driver_sql(
                    "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                    "where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema'))"
                ).scalar_one()
            )
    finally:
        engine.dispose()


def _bring_keys(settings: Settings, keys: Path) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in KEY_FILES:
        if (keys / name).exists():
            shutil.copyfile(keys / name, settings.home / name)
            (settings.home / name).chmod(0o600)


def _load(url: URL, dump: Path) -> None:
    run_program("pg_restore", url, f"--jobs={JOBS}", "--no-owner", "--no-privileges", "--exit-on-error", str(dump))


def _compare(engine: Engine, manifest: Manifest) -> None:
    with engine.connect() as connection:
        found = row_counts(connection)
        version = current_version(connection)
    differ = {name: (count, found.get(name)) for name, count in manifest.rows.items() if found.get(name) != count}
    if differ or version != manifest.schema_version:
        raise ServerRefuses(f"what was restored differs from the backup: {differ or version}")


def _make_coherent(engine: Engine, manifest: Manifest, *, has_own_broker: bool) -> None:
    """Forget what was true on the other server only."""
    with engine.begin() as connection:
        connection.exec_driver_sql("update ops.entity_pending set claimed_at = null, claimed_by = null")
        if has_own_broker and _has_queues(connection):
            _release_leases(connection)
        else:
            # The broker's messages are not in the backup: everything that is to be done is published again.
            connection.exec_driver_sql("update ops.entity_pending set published_at = null where dead_at is null")
        connection.exec_driver_sql("delete from ops.request_clocks")
        connection.exec_driver_sql("delete from ops.request_tokens")
        _build_everything_again(connection, manifest)


def _has_queues(connection: Connection) -> bool:
    return connection.exec_driver_sql("select to_regclass('pgmq.meta')").scalar() is not None


def _release_leases(connection: Connection) -> None:
    """Messages that a worker of the other server held are delivered now; retry delays stay."""
    queues = connection.exec_driver_sql("select queue_name from pgmq.meta order by 1").scalars().all()
    for queue in queues:
        connection.exec_driver_sql(f'update pgmq."q_{queue}" set vt = least(vt, now()) where read_ct > 0')


def _build_everything_again(connection: Connection, manifest: Manifest) -> None:
    """The other server's transaction ids mean nothing here: the next build builds every day."""
    connection.exec_driver_sql("delete from ops.changed_days")
    connection.exec_driver_sql("delete from ops.transform_builds")
    connection.execute(
        sa.text(f"""
        insert into ops.changed_days (killmail_date, changed_in, earliest, latest)
        select {DAY}, {THIS_TRANSACTION}, min(killmail_time), max(killmail_time) from raw.killmails group by 1
        """)
    )
    if not manifest.has_marts:
        for schema in WRITTEN_BY_DBT:
            connection.exec_driver_sql(f"drop schema if exists {schema} cascade")

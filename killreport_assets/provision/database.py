"""The platform's database, ready for work: created, migrated, with its queues, and of the right origin.

Programs start here. Engines and migrations are in database/.
"""

from sqlalchemy.engine import Engine

from killreport_assets.base.errors import NoDatabase, ServerRefuses
from killreport_assets.base.files import replace_file
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import (
    DatabaseUrls,
    create_missing_databases,
    database_exists,
    database_urls,
    make_engine,
)
from killreport_assets.database.migrate import current_version, migrate
from killreport_assets.provision.readers import allow_reading
from killreport_assets.queues.pgmq import install_queues
from killreport_assets.settings import Settings
from killreport_assets.store.origin import stamp_origin

UNFINISHED_RESTORE = "restore-unfinished"


def bring_up_to_date(settings: Settings, engine: Engine) -> bool:
    """Migrate the schema, install PGMQ's queues if they are used, and let the reader read; False if all was done.

    Raises:
        UserError: the database is newer than this package, or PGMQ is used and its wheel is missing.
    """
    is_migrated = migrate(engine)
    is_installed = settings.queues.amqp_url is None and install_queues(engine)
    return any([is_migrated, is_installed, allow_reading(settings, engine)])


def begin_restore(settings: Settings) -> None:
    """From now on until `end_restore`, what is in the databases is not to be used."""
    settings.home.mkdir(parents=True, exist_ok=True)
    replace_file(settings.home / UNFINISHED_RESTORE, "`killreport restore` has begun here, and has not ended.\n")


def end_restore(settings: Settings) -> None:
    """What was restored is whole."""
    (settings.home / UNFINISHED_RESTORE).unlink()


def unfinished_restore(settings: Settings) -> str | None:
    """The sentence for data of which a restore that did not end brought a part; None if there was none."""
    if not (settings.home / UNFINISHED_RESTORE).exists():
        return None
    what = settings.home if settings.database.database_url is None else f"{settings.home} and both databases"
    return f"a restore did not end, and some data are missing: delete {what}, and restore again"


def _refuse_unfinished_restore(settings: Settings) -> None:
    if (unfinished := unfinished_restore(settings)) is not None:
        raise ServerRefuses(unfinished)


def check_for_data(settings: Settings) -> DatabaseUrls:
    """Make sure that there is a database of KillReport already, and return its URLs.

    Starts the embedded server only where it was started once; creates nothing.

    Raises:
        NoDatabase: there is none yet; the text says how to begin.
        ServerRefuses: a restore has not ended.
        ServerUnreachable: see `database_exists`.
    """
    _refuse_unfinished_restore(settings)
    if settings.database.database_url is None and not EmbeddedPostgres(settings.home).exists():
        raise NoDatabase(no_data(settings))
    urls = database_urls(settings)
    if not database_exists(urls.killreport):
        raise NoDatabase(no_data(settings))
    engine = make_engine(urls.killreport)
    try:
        with engine.connect() as connection:
            if current_version(connection) is None:
                raise NoDatabase(no_data(settings))
    finally:
        engine.dispose()
    return urls


def no_data(settings: Settings) -> str:
    """The sentence for a home, or a server of the operator's own, without a database of KillReport."""
    is_embedded = settings.database.database_url is None
    where = settings.home if is_embedded else "the database of KILLREPORT_DATABASE_URL"
    setting = "KILLREPORT_HOME" if is_embedded else "KILLREPORT_DATABASE_URL"
    return (
        f"there is no data yet in {where}: `killreport run` loads some, `killreport migrate` makes empty tables; "
        f"or is it elsewhere? Set {setting}"
    )


def created_database(settings: Settings) -> Engine:
    """Return the engine of a database that exists, of whatever version; both databases are created if they are missing.

    Raises:
        UserError: see `create_missing_databases`.
        ServerRefuses: a restore has not ended.
    """
    _refuse_unfinished_restore(settings)
    urls = database_urls(settings)
    create_missing_databases(urls)
    return make_engine(urls.killreport)


def migrated_database(settings: Settings) -> Engine:
    """Return the engine of a migrated database of either origin: for code that calls no service.

    Raises:
        UserError: see `created_database` and `bring_up_to_date`.
    """
    engine = created_database(settings)
    bring_up_to_date(settings, engine)
    return engine


def open_database(settings: Settings) -> Engine:
    """Return the engine of a migrated database of the right origin: for code that writes what services answer.

    Raises:
        UserError: see `migrated_database` and `stamp_origin`.
    """
    engine = migrated_database(settings)
    stamp_origin(engine, settings.services.origin)
    return engine

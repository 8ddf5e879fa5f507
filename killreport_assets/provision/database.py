"""The platform's database, ready for work: created, migrated, with its queues, and of the right origin.

Programs start here. Engines and migrations are in database/.
"""

from sqlalchemy.engine import Engine

from killreport_assets.database.engine import create_missing_databases, database_urls, make_engine
from killreport_assets.database.migrate import migrate
from killreport_assets.provision.reader import allow_reading
from killreport_assets.queues.pgmq import install_queues
from killreport_assets.settings import Settings
from killreport_assets.store.origin import stamp_origin


def bring_up_to_date(settings: Settings, engine: Engine) -> bool:
    """Migrate the schema, install PGMQ's queues if they are used, and let the reader read; False if all was done.

    Raises:
        UserError: the database is newer than this package, or PGMQ is used and its wheel is missing.
    """
    is_migrated = migrate(engine)
    is_installed = settings.queues.amqp_url is None and install_queues(engine)
    return any([is_migrated, is_installed, allow_reading(settings, engine)])


def migrated_database(settings: Settings) -> Engine:
    """Return the engine of a migrated database of either origin: for code that calls no service.

    Raises:
        UserError: see `create_missing_databases` and `bring_up_to_date`.
    """
    urls = database_urls(settings)
    create_missing_databases(urls)
    engine = make_engine(urls.killreport)
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

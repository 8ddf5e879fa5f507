"""Connecting to the broker that the settings choose."""

from sqlalchemy.engine import Engine

from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import check_queue_names
from killreport_assets.queues.retry import RetryDelays
from killreport_assets.settings import Settings


def connect_broker(settings: Settings, engine: Engine, *, declares: bool = True) -> WorkBroker:
    """Connect to RabbitMQ if `AMQP_URL` is set, else to PGMQ in the same database, where the migration installs it.

    RabbitMQ's queues are declared when connecting, unless `declares` is false.

    Raises:
        BrokerUnavailable: RabbitMQ cannot be reached.
        UserError: a setting names a queue that does not exist.
    """
    check_queue_names("KILLREPORT_PARALLEL_FETCHES", settings.queues.parallel_fetches)
    check_queue_names("KILLREPORT_DRAIN_RUNS", settings.queues.drain_runs)
    delays = RetryDelays(settings.queues.delay_tiers)
    if settings.queues.amqp_url is not None:
        from killreport_assets.queues.management import Management
        from killreport_assets.queues.rabbitmq import RabbitBroker

        management = settings.queues.amqp_management_url
        url = settings.queues.amqp_url.get_secret_value()
        known = Management(management.get_secret_value(), url) if management else None
        return RabbitBroker(url, delays, known, declares=declares)
    from killreport_assets.queues.pgmq import PgmqBroker

    return PgmqBroker(engine, delays)

"""Which broker the settings ask for."""

from sqlalchemy.engine import Engine

from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.retry import DelayTiers
from killreport_assets.settings import Settings


def connect_broker(settings: Settings, engine: Engine) -> WorkBroker:
    """RabbitMQ where `AMQP_URL` is set, else PGMQ in the same database.

    Raises:
        BrokerUnavailable: RabbitMQ cannot be reached.
        UserError: PGMQ is to be used and the `embedded` extra is missing.
    """
    delays = DelayTiers(settings.delay_tiers)
    if settings.amqp_url is not None:
        from killreport_assets.queues.management import Management
        from killreport_assets.queues.rabbitmq import RabbitBroker

        management = settings.amqp_management_url
        url = settings.amqp_url.get_secret_value()
        return RabbitBroker(url, delays, Management(management.get_secret_value(), url) if management else None)
    from killreport_assets.queues.pgmq import PgmqBroker

    return PgmqBroker(engine, delays)

"""`killreport status`: what runs, where, and what is in the database."""

import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from killreport_assets.settings import Settings
from killreport_assets.store.database import database_urls, make_engine
from killreport_assets.store.embedded import EmbeddedPostgres
from killreport_assets.store.migrate import HEAD, current_version
from killreport_assets.store.summary import summarize


def show_status(out: Console, settings: Settings) -> bool:
    """Print it; False when the database is down. Starts nothing."""
    table = Table(show_header=False, box=None)
    out.print(f"home: {escape(str(settings.absolute_home))}")
    if settings.database_url is None:
        server = EmbeddedPostgres(settings.absolute_home)
        if not server.is_running():
            out.print("PostgreSQL: down (embedded); `killreport up` starts it")
            return False
        tcp = f", also on 127.0.0.1:{server.tcp_port}" if server.tcp_port else ""
        out.print(f"PostgreSQL: up (embedded, process {server.pid}{tcp})")
    urls = database_urls(settings)
    if settings.database_url is not None:
        out.print(f"PostgreSQL: {escape(str(urls.killreport))}")
    out.print(f"work queues: {'RabbitMQ' if settings.amqp_url else 'PGMQ, in the same database'}")
    engine = make_engine(urls.killreport)
    try:
        with engine.connect() as connection:
            version = current_version(connection)
            if version is None:
                out.print("schema: none yet; `killreport migrate` or `killreport run` makes it")
                return True
            stamp = connection.execute(sa.text("select origin from ops.origin")).scalar() or "nothing stored yet"
    except sa.exc.OperationalError as unreachable:
        if "does not exist" in str(unreachable.orig):
            out.print("schema: none yet; `killreport migrate` or `killreport run` makes it")
            return True
        out.print(f"PostgreSQL: [red]{escape(str(unreachable.orig).strip().splitlines()[0])}[/]")
        return False
    out.print(f"schema: version {version}{'' if version == HEAD else f' (this package wants {HEAD})'}")
    out.print(f"origin: {stamp}")
    summary = summarize(engine)
    table.add_row("killmails", f"{summary.killmails:,}")
    for count in summary.entities:
        table.add_row(f"{count.kind}s asked for / filled in", f"{count.requested:,} / {count.filled:,}")
    table.add_row("pending", f"{summary.pending:,}")
    table.add_row("rejected killmails", f"{summary.rejected:,}")
    table.add_row("dead letters", f"{summary.dead_letters:,}")
    out.print(table)
    return True

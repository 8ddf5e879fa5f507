"""`killreport sql` and `killreport query`: one read-only statement, and the named queries over the marts."""

from importlib import resources
from itertools import takewhile

import psycopg

from killreport_assets.base.errors import UserError
from killreport_assets.base.stopping import Stopped
from killreport_assets.cli.output import OutputFormat, print_rows
from killreport_assets.cli.postgres_values import read_every_value
from killreport_assets.database.engine import libpq_url
from killreport_assets.provision.database import check_for_data, migrated_database
from killreport_assets.provision.readers import reading_url
from killreport_assets.settings import Settings

WRONG_STATEMENT = (
    psycopg.DataError,
    psycopg.NotSupportedError,
    psycopg.ProgrammingError,
    psycopg.errors.ActiveSqlTransaction,
    psycopg.errors.ReadOnlySqlTransaction,
)
"""What PostgreSQL says of a statement that it does not run because of what the statement is."""


def named_queries() -> dict[str, str]:
    """Return KillReport's example queries by name; each starts with a comment that says what it shows."""
    files = resources.files("killreport_assets.cli") / "queries"
    return {
        file.name.removesuffix(".sql"): file.read_text()
        for file in sorted(files.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".sql")
    }


def about(query: str) -> str:
    """Return what a named query shows: its first comment."""
    lines = takewhile(lambda line: line.startswith("--"), query.splitlines())
    return " ".join(line.removeprefix("--").strip() for line in lines)


def run_statement(settings: Settings, statement: str, output: OutputFormat) -> None:
    """Run one statement that only reads, and print its rows.

    Raises:
        UserError: the statement is wrong, or does not only read; the text says why.
        psycopg.Error: PostgreSQL cannot run it.
    """
    urls = check_for_data(settings)
    migrated_database(settings).dispose()  # it has the role that only reads
    options = "-c default_transaction_read_only=on -c timezone=UTC"
    with psycopg.connect(libpq_url(reading_url(settings, urls)), options=options) as connection:
        read_every_value(connection)
        try:
            # A prepared statement is one statement: nothing can follow that would lift the read-only.
            cursor = connection.execute(statement.encode(), prepare=True)
            names = [column.name for column in cursor.description or []]
            rows = cursor.fetchall() if cursor.description else []
        except WRONG_STATEMENT as refused:
            raise UserError(f"PostgreSQL: {str(refused).strip()}") from None
        except Stopped:
            connection.cancel_safe()  # the server would go on with it
            connection.close()
            raise
        connection.rollback()  # whatever the statement did, nothing of it stays
    print_rows(names, rows, output)

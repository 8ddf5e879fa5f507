"""What a command's error becomes: one line that says what is wrong and what to do, and an exit code.

The errors themselves belong to the rooms that raise them.
"""

import psycopg
import sqlalchemy as sa

from killreport_assets.base.errors import (
    BrokerUnavailable,
    KeepsEnding,
    NoDatabase,
    ServerRefuses,
    ServerUnreachable,
    UserError,
)
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.output import print_error
from killreport_assets.http.errors import ServiceError

_REMEDIES = {
    "08": "is it running? `killreport status`",
    "25006": "this connection or server only reads: set KILLREPORT_DATABASE_URL to one that writes",
    "28": "check the user and password of KILLREPORT_DATABASE_URL",
    "3D000": "`killreport migrate` creates it",
    "42501": "let the role of KILLREPORT_DATABASE_URL do it",
    "42P01": "`killreport migrate` makes the tables, `killreport dbt build` those of dbt",
    "42703": "`killreport migrate` makes the tables, `killreport dbt build` those of dbt",
    "3F000": "`killreport migrate` makes the schemas, `killreport dbt build` those of dbt",
    "40": "try again",
    "53100": "its disk is full: make room, then try again",
    "53200": "it is out of memory: try again later",
    "53300": "it has too many connections: stop something, or raise its max_connections",
    "55P03": "something else holds the lock: try again later",
    "57014": "it took longer than the server's statement_timeout allows",
    "57P": "it is stopping or starting: try again; `killreport status`",
    "58": "its disk or files failed: see its log",
    "XX001": "its files are damaged: restore a backup",
}
"""What to do, by SQLSTATE or its first characters: https://www.postgresql.org/docs/current/errcodes-appendix.html"""


def report(error: Exception) -> ExitCode | None:
    """Print an expected error in one line; None for a fault of the program, which needs a traceback."""
    code, sentence = _described(error)
    if code is not None:
        print_error(sentence)
    return code


def database_sentence(error: sa.exc.SQLAlchemyError | psycopg.Error) -> str:
    """What PostgreSQL says, in one line, and what to do where that is known."""
    original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    said = str(original).strip()
    sentence = said.splitlines()[0] if said else type(original).__name__
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or ""
    remedies = [remedy for prefix, remedy in _REMEDIES.items() if state.startswith(prefix)]
    if not state and isinstance(original, psycopg.OperationalError):
        remedies = [_REMEDIES["08"]]
    return "; ".join([f"PostgreSQL: {sentence}", *remedies[-1:]])


def _described(error: Exception) -> tuple[ExitCode | None, str]:
    if isinstance(error, sa.exc.SQLAlchemyError | psycopg.Error):
        return ExitCode.server, database_sentence(error)
    if isinstance(error, BrokerUnavailable | NoDatabase | ServerUnreachable | ServerRefuses):
        return ExitCode.server, str(error)
    if isinstance(error, KeepsEnding):
        return ExitCode.unhealthy, str(error)
    if isinstance(error, ServiceError):
        return ExitCode.service, str(error)
    if isinstance(error, UserError):
        return ExitCode.wrong, str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return ExitCode.wrong, f"{error.filename}: {error.strerror}; can the directory KILLREPORT_HOME be written?"
    return None, ""

"""Log lines: text on a terminal, else JSON; one per batch, never with a secret nor with a control character."""

import logging
import sys
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

from killreport_assets.base.redaction import without_secrets
from killreport_assets.base.text import printable

LOGGER = "killreport_assets"
_OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Text(logging.Formatter):
    """For people: the message, then its extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        extras = " ".join(f"{name}={value}" for name, value in vars(record).items() if name not in _OWN and value)
        return without_secrets(f"{super().format(record)} {printable(extras)}".rstrip())

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return "\n".join(map(printable, super().formatException(ei).split("\n")))


class _Json(JsonFormatter):
    """For machines: one object per line; secrets are removed from tracebacks too."""

    def process_log_record(self, log_data: dict[str, object]) -> dict[str, object]:
        return {name: without_secrets(value) if isinstance(value, str) else value for name, value in log_data.items()}


def configure_logging(log_format: Literal["auto", "text", "json"], level: str) -> None:
    """Send the package's log lines to stderr; a second call changes the level only."""
    logger = logging.getLogger(LOGGER)
    if not any(isinstance(handler.formatter, _Text | _Json) for handler in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
        fields = "%(asctime)s %(levelname)s %(name)s %(message)s"
        rename = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(_Json(fields, rename_fields=rename) if is_json else _Text(fields))
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(level)

"""Errors that every package distinguishes: those that the operator can fix, and a database or broker that is down.

Errors of a service or of a record are next to the code that raises them (http/errors.py, models/killmail.py).
"""


class UserError(Exception):
    """An error that the operator can fix; shown without a traceback."""


class Taken(UserError):
    """A port or a home is in use by another program; nothing was started."""


class KeepsEnding(UserError):
    """A program that KillReport keeps running ends again and again."""


class ServerUnreachable(UserError):
    """PostgreSQL cannot be reached; a retry may succeed."""


class ServerRefuses(UserError):
    """PostgreSQL does not start, or refuses what we need; a retry does not help."""


class NoDatabase(UserError):
    """There is no database of KillReport yet, and what needs one does not begin it."""


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or the connection broke; deliveries that are not settled are redelivered."""

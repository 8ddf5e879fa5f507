"""Errors that every room has to distinguish: what a person can mend, and a server of ours that is away.

Errors of a service or of a record live with what raises them (http/errors.py, models/killmail.py).
"""


class UserError(Exception):
    """Something that the operator can mend; shown without a traceback."""


class ServerUnreachable(UserError):
    """PostgreSQL cannot be reached: it may be there in a moment."""


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or the connection broke; what was not settled will be delivered again."""

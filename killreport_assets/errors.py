"""The one error that is meant for a person: it says what is wrong and what to do about it.

Errors of a service or of a record live with what raises them (esi/errors.py, store/killmail_body.py).
"""


class UserError(Exception):
    """Something that the operator can mend; shown without a traceback."""


class ServerUnreachable(UserError):
    """PostgreSQL cannot be reached: it may be there in a moment."""

"""Taking passwords out of texts that people and log files see."""

import re

_IN_AUTHORITY = re.compile(r"(?<=://)([^/@\s:]*):\S*@")
_IN_QUERY = re.compile(r"(?<=[?&])(password|sslpassword)=[^&\s]*", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """The text with the passwords of its URLs taken out, wherever in the URL they stand."""
    return _IN_QUERY.sub(r"\1=***", _IN_AUTHORITY.sub(r"\1:***@", text))

"""Removal of secrets from text for people and log files: passwords in URLs, and tokens as a precaution."""

import re

_IN_AUTHORITY = re.compile(r"(?<=://)([^/@\s:]*):\S*@")
_IN_QUERY = re.compile(
    r"(?<![\w-])(password|sslpassword|access_token|refresh_token|client_secret|code_verifier|token)=[^&\s'\"]+",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<=[?&])code=[^&\s'\"]+")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")


def without_secrets(text: str) -> str:
    """Mask passwords in URLs, and everything that looks like a token."""
    text = _IN_QUERY.sub(r"\1=***", _IN_AUTHORITY.sub(r"\1:***@", text))
    text = _CODE.sub("code=***", text)
    return _JWT.sub("***", _BEARER.sub(r"\1 ***", text))

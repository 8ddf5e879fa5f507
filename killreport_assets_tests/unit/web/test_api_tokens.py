"""What a token needs is checked before anything is stored."""

from typing import cast

import pytest
from sqlalchemy.engine import Connection

from killreport_assets.base.errors import UserError
from killreport_assets.web.api_tokens import new_token, revoke_token

NO_CONNECTION = cast("Connection", None)


@pytest.mark.parametrize(
    ("name", "scopes", "said"),
    [
        ("", ["read"], "needs a name"),
        ("x" * 101, ["read"], "needs a name"),
        ("a script", [], "the scopes of a token"),
        ("a script", ["write"], "the scopes of a token"),
        ("a script", ["sync"], "needs an account"),
    ],
)
def test_a_token_that_cannot_be_is_refused(name: str, scopes: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        new_token(NO_CONNECTION, name, scopes)


@pytest.mark.parametrize("token_id", ["", "xyz", "%", "0" * 11, "0" * 13, "G" * 12])
def test_an_id_that_no_token_has_is_refused(token_id: str) -> None:
    with pytest.raises(UserError, match="12 hex digits"):
        revoke_token(NO_CONNECTION, token_id)

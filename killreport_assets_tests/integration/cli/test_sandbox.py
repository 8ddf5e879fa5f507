"""--sandbox: every command that sends something to a service, or decides what will be sent, has it."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets_testing.command import Command


@pytest.mark.parametrize("name", ["queue", "follow", "unfollow", "users sync", "users forget", "auth serve"])
def test_the_help_has_it(command: Command, name: str) -> None:
    assert "--sandbox" in command(*name.split(), "--help").stdout


def test_following_on_the_sandbox_wants_its_data(platform_command: Command, engine: Engine) -> None:
    assert platform_command("follow", "character", "580797163", "--sandbox").code == 0
    assert platform_command("unfollow", "character", "580797163", "--sandbox").code == 0
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.origin set origin = 'live'"))
    refused = platform_command("follow", "character", "580797163", "--sandbox")
    assert (refused.code, refused.is_one_line) == (2, True), refused
    assert "never mixed" in refused.stderr

"""A process that wants a user's access token: run as a program of its own, with the settings in the environment.

`python -m killreport_assets_testing.refresh CHARACTER_ID [die]`: with `die` it is killed, as by kill -9, when
EVE's sign-in has answered and nothing is committed yet. It says "ready", and goes on when it is given a line.
"""

import os
import signal
import sys

from pydantic import SecretStr

from killreport_assets.provision.database import open_database
from killreport_assets.settings import load_settings
from killreport_assets.users.grants import Tokens
from killreport_assets.users.sso import EveSso
from killreport_assets.users.tokens import TokenKeeper
from killreport_assets.users.vault import Vault


class DyingSso(EveSso):
    """Kills its process as soon as it has an answer."""

    def refresh(self, refresh_token: SecretStr) -> Tokens:
        super().refresh(refresh_token)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("the process outlives that")


def main() -> None:
    """Ask for the token; print whose it is, never the token."""
    settings = load_settings()
    engine = open_database(settings)
    kind = DyingSso if "die" in sys.argv else EveSso
    keeper = TokenKeeper(engine, lambda: kind(settings, engine), lambda: Vault(settings))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(keeper.access(int(sys.argv[1])).token_owner)


if __name__ == "__main__":
    main()

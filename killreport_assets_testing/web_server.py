"""The web application on a port of its own, and a browser without JavaScript that walks through it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import requests
import uvicorn
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from killreport_assets.base.network import free_port
from killreport_assets.database.engine import libpq_url
from killreport_assets.provision.readers import WEB_READER, allow_reading
from killreport_assets.settings import Settings
from killreport_assets.web.app import build_app
from killreport_assets_testing.waiting import wait_until


@contextmanager
def serving(settings: Settings, engine: Engine) -> Iterator[str]:
    """Serve it in a thread; its URL."""
    port = free_port()
    allow_reading(settings, engine)
    reader = SecretStr(libpq_url(engine.url.set(username=WEB_READER.name)))
    app = build_app(settings.with_values(auth_port=port, web_reader_url=reader), engine)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


class Visitor:
    """A visitor with a browser of their own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def get(self, path: str = "/me") -> requests.Response:
        """Open a page."""
        return self.session.get(self.url + path, allow_redirects=False, timeout=60)

    def csrf(self, path: str = "/me") -> str:
        """The token of a page's forms."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found
        return unescape(found[1])

    def post(self, path: str, csrf: str | None = None, **form: str) -> requests.Response:
        """Send a form of ours."""
        data = form | {"csrf": csrf if csrf is not None else self.csrf()}
        return self.session.post(self.url + path, data=data, allow_redirects=False, timeout=60)

    def begin(self, grant: str = "character") -> str:
        """Press the button; the URL at EVE."""
        answer = self.post("/sign-in", grant=grant)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def consent(self, authorize_url: str, character_id: int, answer: str = "yes") -> str:
        """Answer EVE's question; the callback's URL."""
        assert requests.get(authorize_url, timeout=60).status_code == 200
        form = {"answer": answer, "character_id": str(character_id)}
        redirect = requests.post(authorize_url, data=form, allow_redirects=False, timeout=60)
        return redirect.headers["Location"]

    def come_back(self, callback: str) -> requests.Response:
        """Follow the redirect back to us."""
        return self.session.get(callback, allow_redirects=False, timeout=60)

    def sign_in(self, character_id: int, grant: str = "character") -> None:
        """Sign a character in, from the button to the callback."""
        answer = self.come_back(self.consent(self.begin(grant), character_id))
        assert answer.status_code == 303, answer.text

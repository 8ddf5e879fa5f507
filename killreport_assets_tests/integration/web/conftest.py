"""The web application over HTTP: over an empty database with its visitors, and over the built marts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
import requests

from killreport_assets.sandbox.process import SandboxProcess
from killreport_assets.settings import Settings, load_settings
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.story import Story
from killreport_assets_testing.web_server import Visitor, serving


@pytest.fixture
def url(platform: Platform) -> Iterator[str]:
    """The application."""
    with serving(platform.settings, platform.engine) as url:
        yield url


@pytest.fixture
def visitor(url: str) -> Visitor:
    """A visitor who has not been here before."""
    return Visitor(url)


@dataclass(frozen=True)
class Site:
    """The application over the built marts of the genuine killmails."""

    url: str
    story: Story
    settings: Settings

    def get(self, path: str, **options: Any) -> requests.Response:
        """Ask for an address."""
        return requests.get(self.url + path, timeout=60, **options)

    def query(self, text: str, variables: dict[str, Any] | None = None, token: str | None = None) -> dict[str, Any]:
        """The answer to a GraphQL query."""
        body = {"query": text, "variables": variables or {}}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer: dict[str, Any] = requests.post(f"{self.url}/graphql", json=body, headers=headers, timeout=60).json()
        return answer

    def scalar(self, query: str) -> Any:
        """One value of the database."""
        return self.story.warehouse.rows(query)[0][0]


@pytest.fixture(scope="session")
def site(story: Story, _sandbox_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """It, with limits that tests do not reach."""
    engine = story.warehouse.engine
    values = {name.removeprefix("KILLREPORT_").lower(): value for name, value in _sandbox_process.urls.items()}
    settings = load_settings(
        **values,
        database_url=engine.url.render_as_string(hide_password=False),
        home=str(tmp_path_factory.mktemp("site")),
        api_requests_anonymous=1_000_000,
    )
    with serving(settings, engine) as url:
        yield Site(url, story, settings)


def text_of(html: str) -> str:
    """The words of a page, without its marks."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))

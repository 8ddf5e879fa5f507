"""The sign-in page, served over HTTP, and its visitors."""

from collections.abc import Iterator

import pytest

from killreport_assets_testing.platform import Platform
from killreport_assets_testing.web_server import Visitor, serving


@pytest.fixture
def url(platform: Platform) -> Iterator[str]:
    """The page."""
    with serving(platform.settings, platform.engine) as url:
        yield url


@pytest.fixture
def visitor(url: str) -> Visitor:
    """A visitor who has not been here before."""
    return Visitor(url)

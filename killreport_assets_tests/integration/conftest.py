"""What tests of Dagster's definitions need besides the servers."""

from collections.abc import Iterator

import dagster as dg
import pytest


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A throwaway Dagster instance."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance

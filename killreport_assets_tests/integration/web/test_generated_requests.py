"""Requests that the APIs' own descriptions allow, generated: none of them fails in us."""

from datetime import date
from typing import Any

import hypothesis
import schemathesis
from graphql.utilities import introspection_from_schema
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes

from killreport_assets.web.graphql.resolvers import build_schema
from killreport_assets_tests.integration.web.conftest import Site


def test_no_request_that_openapi_allows_fails(site: Site) -> None:
    document = site.get("/api/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.base_url = f"{site.url}/api"
    asked = 0
    for operation in schema.get_all_operations():
        assert isinstance(operation, Ok)
        strategy = operation.ok().as_strategy()
        for case in _examples(strategy, 25):
            response = case.call(timeout=60)
            case.validate_response(response, checks=[not_a_server_error])
            asked += 1
    assert asked >= 100


def test_no_query_that_the_schema_allows_fails(site: Site) -> None:
    days = st.dates(date(2003, 1, 1), date(2030, 1, 1)).map(str)
    schemathesis.graphql.scalar("Date", days.map(nodes.String))
    schemathesis.graphql.scalar("DateTime", days.map(lambda day: nodes.String(f"{day}T12:00:00Z")))
    schemathesis.graphql.scalar("BigInt", st.integers(0, 2**62).map(lambda number: nodes.String(str(number))))
    schema = schemathesis.graphql.from_dict({"data": introspection_from_schema(build_schema())})
    schema.config.base_url = f"{site.url}/graphql"
    answered = 0
    for operation in schema.get_all_operations():
        assert isinstance(operation, Ok)
        if not operation.ok().label.startswith("Query."):  # a subscription has no end
            continue
        for case in _examples(operation.ok().as_strategy(), 20):
            response = case.call(timeout=60)
            assert response.status_code < 500, case.body
            codes = {error["extensions"]["code"] for error in response.json().get("errors", [])}
            assert "INTERNAL" not in codes, case.body
            answered += not codes
    assert answered >= 100


def _examples(strategy: Any, count: int) -> list[Any]:
    """So many values of a strategy, without a search for simpler ones."""
    found: list[Any] = []

    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(case: Any) -> None:
        found.append(case)

    collect()
    return found

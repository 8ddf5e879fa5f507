"""What failed in a dbt build: which model or test, which rows, and what to do. Imports no dagster.

How a build runs is in definitions.py; what the tests are is in the dbt project.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from killreport_assets.base.text import printable

FAILED = {"error", "fail", "runtime error"}
ROWS = 3
"""How many rows of a failed test are shown."""


def describe_failures(results: Sequence[Mapping[str, Any]], engine: Engine) -> str | None:
    """One paragraph for each failed node of dbt's run_results.json; None if none failed.

    The rows of a failed test are those that its query returns now. A failed model's message has the database's detail,
    which names the key of a duplicate row.
    """
    failed = [result for result in results if result["status"] in FAILED]
    return "\n\n".join(_describe(result, engine) for result in failed) or None


def _describe(result: Mapping[str, Any], engine: Engine) -> str:
    kind, _, name, *_ = result["unique_id"].split(".")
    if kind == "test":
        rows = _rows(result["compiled_code"], engine)
        return (
            f"The dbt test {name} fails: {result['message']}.\n{rows}\n"
            f"Correct or remove what these rows come from in the schema raw, then: killreport dbt build"
        )
    return (
        f"The dbt {kind} {name} fails: {_printable_lines(result['message'].strip())}\n"
        f"Correct or remove the rows that it names in the schema raw (if a killmail is stored with two times: "
        f"killreport repair), then: killreport dbt build. "
        f"After a change of a model: killreport dbt build --full-refresh"
    )


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _rows(query: str, engine: Engine) -> str:
    try:
        with engine.connect() as connection:
            connection = connection.execution_options(no_parameters=True)  # a % in the query stays one
            found = connection.exec_driver_sql(f"select * from ({query}\n) as failing limit {ROWS}").mappings().all()
    except SQLAlchemyError as error:  # the message of the test is worth more than this query
        return f"(its rows cannot be read: {type(error).__name__})"
    return "\n".join("  " + ", ".join(f"{key}={printable(str(value))}" for key, value in row.items()) for row in found)

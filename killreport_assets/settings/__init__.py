"""The settings of one process: read once when a program starts, and passed as an argument.

The settings are in groups.py, the types of their values in types.py, the search for HOME in home.py.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from killreport_assets.base.errors import UserError
from killreport_assets.settings.groups import (
    DatabaseSettings,
    DataSettings,
    Group,
    HealthSettings,
    OperatorSettings,
    ProcessSettings,
    QueueSettings,
    ScheduleSettings,
    ServiceSettings,
    UserSettings,
    WebSettings,
)
from killreport_assets.settings.types import DailyWindow, Origin, is_loopback, is_loopback_host

__all__ = [
    "DailyWindow",
    "Origin",
    "Settings",
    "is_loopback",
    "is_loopback_host",
    "load_settings",
    "origin_of",
    "set_variable",
]
PREFIX = "KILLREPORT_"
FILE_SUFFIX = "_FILE"
DBT_PREFIX = "KILLREPORT_DBT_"
"""The beginning of what dbt's processes get of us (transforms/project.py); no setting begins so."""
SomeGroup = TypeVar("SomeGroup", bound=Group)


@dataclass(frozen=True)
class Settings:
    """All groups of settings."""

    process: ProcessSettings
    services: ServiceSettings
    database: DatabaseSettings
    queues: QueueSettings
    data: DataSettings
    users: UserSettings
    web: WebSettings
    schedules: ScheduleSettings
    health: HealthSettings
    operator: OperatorSettings

    @property
    def home(self) -> Path:
        """HOME, absolute, `~` expanded."""
        return self.process.home.expanduser().resolve()

    @property
    def groups(self) -> Mapping[str, Group]:
        """Every group by its name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def with_values(self, **values: object) -> "Settings":
        """A copy with other values, by name of the setting; the values are not validated."""
        changed: dict[str, Any] = {
            name: group.model_copy(update={field: values.pop(field) for field in set(values) & set(_fields(group))})
            for name, group in self.groups.items()
        }
        if values:
            raise TypeError(f"no such setting: {', '.join(values)}")
        return replace(self, **changed)


def load_settings(**values: object) -> Settings:
    """Read the settings from the environment; `values` take precedence.

    `KILLREPORT_NAME_FILE` names a file with the value of `KILLREPORT_NAME`: for secrets of Docker, Kubernetes, systemd.

    Raises:
        UserError: a variable has an invalid value, or there is no such setting; the message names the variable and
            never contains a secret.
    """
    problems: list[str] = []
    from_files: dict[str, object] = dict(_read_files(problems))

    def read(group: type[SomeGroup]) -> SomeGroup:
        given = {name: value for name, value in (from_files | values).items() if name in group.model_fields}
        try:
            return group(**given)  # type: ignore[arg-type]
        except ValidationError as invalid:
            problems.extend(_problems(group, invalid))
            return cast("SomeGroup", group.model_construct())

    settings = Settings(
        process=read(ProcessSettings),
        services=read(ServiceSettings),
        database=read(DatabaseSettings),
        queues=read(QueueSettings),
        data=read(DataSettings),
        users=read(UserSettings),
        web=read(WebSettings),
        schedules=read(ScheduleSettings),
        health=read(HealthSettings),
        operator=read(OperatorSettings),
    )
    problems.extend(_unknown_variables(settings))
    if problems:
        raise UserError("wrong setting: " + "; ".join(problems))
    return settings


def _read_files(problems: list[str]) -> dict[str, str]:
    """The values that are in files, by the setting's name."""
    found: dict[str, str] = {}
    for variable in sorted(os.environ):
        setting = variable.removesuffix(FILE_SUFFIX)
        if setting == variable or not variable.startswith(PREFIX):
            continue
        if setting in os.environ:
            problems.append(f"{setting} and {variable} are both set: keep one of them")
            continue
        try:
            found[setting.removeprefix(PREFIX).lower()] = Path(os.environ[variable]).read_text().strip()
        except (OSError, UnicodeDecodeError) as unreadable:
            problems.append(f"{variable}: {unreadable}")
    return found


def set_variable(name: str, value: str) -> None:
    """Give a setting another value in this process and its children, wherever it came from."""
    os.environ.pop(f"{name}{FILE_SUFFIX}", None)
    os.environ[name] = value


def origin_of(name: str) -> str:
    """Where a setting's value comes from, by its variable's name: environment, its file, or default."""
    if name in os.environ:
        return "environment"
    return os.environ.get(f"{name}{FILE_SUFFIX}", "default")


def _fields(group: Group) -> Mapping[str, Any]:
    return type(group).model_fields


def _unknown_variables(settings: Settings) -> list[str]:
    """Variables that look like settings and are none: a misspelt one would silently have no effect."""
    known = [name.upper() for group in settings.groups.values() for name in _fields(group)]
    problems = []
    for name in sorted(os.environ):
        setting = name.upper().removeprefix(PREFIX)
        if setting == name.upper() or setting.removesuffix(FILE_SUFFIX) in known or name.startswith(DBT_PREFIX):
            continue
        nearest = get_close_matches(setting, known, n=1)
        hint = f"do you mean {PREFIX}{nearest[0]}?" if nearest else "`killreport settings` lists them"
        problems.append(f"there is no setting {name}; {hint}")
    return problems


def _problems(group: type[Group], invalid: ValidationError) -> list[str]:
    lines = []
    for error in invalid.errors():
        field = str(error["loc"][0]) if error["loc"] else ""
        message = error["msg"].removeprefix("Value error, ")
        given = error["input"]
        is_secret = field.endswith("_url") or (field and "SecretStr" in str(group.model_fields[field].annotation))
        shown = f", got {given!r}" if isinstance(given, str | int | float) and not is_secret else ""
        lines.append(f"KILLREPORT_{field.upper()}: {message}{shown}" if field else message)
    return lines

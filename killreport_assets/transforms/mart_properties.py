"""The properties of the marts by entity (contracts, descriptions, tests), from the dictionary. Imports no dagster.

A metric is a row of the seed mart_metrics and an expression in macros/entities.sql; its 27 blocks of YAML are
generated. `python -m killreport_assets.transforms.dictionary` writes them; a test checks that they are up to date.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

FILE_HEAD = "# Generated from seeds/mart_metrics.csv by `make docs`: change the dictionary, not this file.\n"
DATA_TYPES = {
    "ISK": "numeric(24, 2)",
    "ratio": "double precision",
    "percent": "double precision",
    "0 to 100": "integer",
}
"""By unit; all other units are whole numbers."""
RATIOS = "mart_*_monthly, mart_*_all_time"
SUMS = f"mart_*_daily, {RATIOS}"
"""Models of the dictionary: those of metrics at every level, and of metrics of monthly and all-time marts only."""
PLACE = "; a place has each of its killmails as a kill and as a loss"
WHOLE = "; a kill counts whole for every one on it, so that sums over several count it more than once"
SUMS_AGREE = (
    "kills + losses > 0 and ship_kills + pod_kills <= kills and pvp_kills <= kills "
    "and solo_kills_zkb <= kills and final_blows <= kills and pilots_on_kills <= attackers_on_kills "
    "and pvp_solo_kills <= gang_size_kills and gang_size_kills <= pvp_kills and unpriced_kills <= kills "
    "and unpriced_losses <= losses"
)
RATIOS_ARE_IN_RANGE = (
    "first_date <= last_date and efficiency between 0 and 1 and isk_efficiency between 0 and 1 "
    "and danger_ratio_zkb between 0 and 100 and gang_ratio_zkb <= 100 and solo_ratio_zkb between 0 and 100 "
    "and solo_ratio_evekill between 0 and 1 and average_gang_size >= 1"
)
Metric = Mapping[str, str]
Properties = dict[str, object]


@dataclass(frozen=True)
class Entity:
    """A kind of entity that has statistics."""

    kind: str
    name: str
    dimension: tuple[str, str]
    """The model with a row for each, and its key."""
    is_place: bool = False
    is_party: bool = False
    """Whether killmails have its id as of the time of the kill."""

    @property
    def note(self) -> str:
        """How its kills are counted."""
        return PLACE if self.is_place else WHOLE


ENTITIES = (
    Entity("character", "character", ("dim_characters", "character_id"), is_party=True),
    Entity("corporation", "corporation", ("dim_corporations", "corporation_id"), is_party=True),
    Entity("alliance", "alliance", ("dim_alliances", "alliance_id"), is_party=True),
    Entity("faction", "faction", ("dim_factions", "faction_id"), is_party=True),
    Entity("ship_type", "ship type", ("dim_types", "type_id")),
    Entity("ship_group", "ship group", ("dim_groups", "group_id")),
    Entity("system", "solar system", ("dim_systems", "system_id"), is_place=True),
    Entity("constellation", "constellation", ("dim_constellations", "constellation_id"), is_place=True),
    Entity("region", "region", ("dim_regions", "region_id"), is_place=True),
)


def mart_properties(metrics: Sequence[Metric]) -> dict[str, str]:
    """The texts of the properties files, by path below models/marts."""
    sums = [metric for metric in metrics if metric["model"] == SUMS]
    ratios = [metric for metric in metrics if metric["model"] == RATIOS]
    return {
        "daily/_entities.yml": _dump([_daily(entity, sums) for entity in ENTITIES]),
        "monthly/_entities.yml": _dump([_monthly(entity, [*sums, *ratios]) for entity in ENTITIES]),
        "all_time/_entities.yml": _dump([_all_time(entity, [*sums, *ratios]) for entity in ENTITIES]),
    }


def _dump(models: Sequence[Properties]) -> str:
    return FILE_HEAD + yaml.safe_dump({"models": models}, sort_keys=False, width=110)


def _daily(entity: Entity, metrics: Sequence[Metric]) -> Properties:
    key = ["killmail_date", f"{entity.kind}_id"]
    return {
        "name": f"mart_{entity.kind}_daily",
        "description": f"Kills and losses by {entity.name} and UTC day{entity.note}",
        "constraints": _keys(entity, key),
        "data_tests": [
            _test("unique_combination_of_columns", combination_of_columns=key),
            _test("not_null_columns", columns=key),
            _test("accepted_range", columns=[metric["name"] for metric in metrics], min_value=0),
            _test("expression_is_true", expression=SUMS_AGREE),
        ],
        "columns": [_column("killmail_date", "date", "UTC day of the kill"), *_entity(entity), *_columns(metrics)],
    }


def _monthly(entity: Entity, metrics: Sequence[Metric]) -> Properties:
    key = ["month", f"{entity.kind}_id"]
    unique = _test("unique_combination_of_columns", combination_of_columns=key)
    unique["unique_combination_of_columns"]["config"] = {"tags": ["nightly"]}
    return {
        "name": f"mart_{entity.kind}_monthly",
        "description": f"The days of mart_{entity.kind}_daily summed by month, with ratios{entity.note}",
        "constraints": _keys(entity, key, is_view=True),
        "data_tests": [unique],
        "columns": [_column("month", "date", "First day of the month"), *_entity(entity), *_columns(metrics)],
    }


def _all_time(entity: Entity, metrics: Sequence[Metric]) -> Properties:
    key = _column(f"{entity.kind}_id", "bigint", entity.name.capitalize())
    return {
        "name": f"mart_{entity.kind}_all_time",
        "description": f"The days of mart_{entity.kind}_daily summed over all of history, with ratios{entity.note}",
        "constraints": _keys(entity, [f"{entity.kind}_id"]),
        "data_tests": [_test("expression_is_true", expression=RATIOS_ARE_IN_RANGE)],
        "columns": [
            {**key, "data_tests": ["unique", "not_null"]},
            _NAME,
            _column("first_date", "date", "UTC day of its first killmail here"),
            _column("last_date", "date", "UTC day of its last killmail here"),
            *_columns(metrics),
        ],
    }


def _test(name: str, **arguments: object) -> dict[str, dict[str, object]]:
    return {name: {"arguments": arguments}}


def _keys(entity: Entity, primary: list[str], *, is_view: bool = False) -> list[Properties]:
    model, key = entity.dimension
    foreign = {"columns": [f"{entity.kind}_id"], "to": f"ref('{model}')", "to_columns": [key]}
    silenced = {"warn_unsupported": False, "warn_unenforced": False} if is_view else {}
    return [
        {"type": "primary_key", "columns": list(primary), **silenced},
        {"type": "foreign_key", **foreign, **silenced},
    ]


def _entity(entity: Entity) -> Iterator[Properties]:
    suffix = ", at the time of the kill" if entity.is_party else ""
    yield _column(f"{entity.kind}_id", "bigint", f"{entity.name.capitalize()}{suffix}")
    yield _NAME


def _columns(metrics: Sequence[Metric]) -> Iterator[Properties]:
    for metric in metrics:
        yield _column(metric["name"], DATA_TYPES.get(metric["unit"], "bigint"), metric["definition"])


def _column(name: str, data_type: str, description: str) -> Properties:
    return {"name": name, "data_type": data_type, "description": description}


_NAME = _column("entity_name", "text", "Its name; absent until ESI has given it")

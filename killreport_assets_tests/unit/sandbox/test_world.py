"""The sandbox's content: its bodies validate against ESI's specification, its made killmails are what they claim."""

import json
import re
import tracemalloc
from datetime import UTC, datetime
from statistics import mean
from typing import Any

import jsonschema
import pytest
from starlette.requests import Request

from killreport_assets.esi import models
from killreport_assets.esi.models import EsiBody, MarketPrice
from killreport_assets.models.killmail import Killmail, KillmailBody, check
from killreport_assets.models.war import War
from killreport_assets.sandbox.faults import Faults
from killreport_assets.sandbox.generated import (
    CHARACTERS,
    FIRST_CHARACTER,
    FIRST_GENERATED_ID,
    MEANS,
    GeneratedKillmails,
    Profile,
)
from killreport_assets.sandbox.limits import Statistics
from killreport_assets.sandbox.live_feed import LiveFeed
from killreport_assets.sandbox.services.esi import SandboxEsi
from killreport_assets.sandbox.services.esi_authorized_killmails import AuthorizedKillmails
from killreport_assets.sandbox.services.market import SandboxMarket
from killreport_assets.sandbox.services.sso import SandboxSso
from killreport_assets.sandbox.services.wars import SandboxWars
from killreport_assets.sandbox.serving import Handler, Serving
from killreport_assets.sandbox.world import World
from killreport_assets_testing import genuine

WORLD = World()
TIME = datetime(2026, 9, 1, 12, 0, 1, tzinfo=UTC)
KILLMAIL = "GET /killmails/{killmail_id}/{killmail_hash}"
ROUTES: dict[str, tuple[str, type[EsiBody]]] = {
    "alliances": ("GET /alliances/{alliance_id}", models.Alliance),
    "corporations": ("GET /corporations/{corporation_id}", models.Corporation),
    "characters": ("GET /characters/{character_id}", models.Character),
    "types": ("GET /universe/types/{type_id}", models.Type),
    "groups": ("GET /universe/groups/{group_id}", models.Group),
    "categories": ("GET /universe/categories/{category_id}", models.Category),
    "systems": ("GET /universe/systems/{system_id}", models.System),
    "constellations": ("GET /universe/constellations/{constellation_id}", models.Constellation),
    "regions": ("GET /universe/regions/{region_id}", models.Region),
}


def _esi() -> SandboxEsi:
    serving = Serving(Faults(), Statistics())
    own = AuthorizedKillmails(WORLD, serving, SandboxSso(WORLD, serving))
    feed = LiveFeed(WORLD, GeneratedKillmails(WORLD))
    return SandboxEsi(WORLD, feed, serving, own, SandboxMarket(WORLD, serving), SandboxWars(WORLD, serving))


def _ids(kind: str) -> list[int]:
    if kind == "alliances":
        return sorted(WORLD.alliances)
    if kind == "corporations":
        return sorted(WORLD.alliance_of)
    if kind == "characters":
        return [id_ for id_ in sorted(WORLD.affiliations) if id_ >= 4_000_000]
    return sorted(WORLD.by_id(kind))


@pytest.mark.parametrize("kind", ROUTES)
def test_every_body_validates_against_the_specification_and_our_model(kind: str) -> None:
    operation, model = ROUTES[kind]
    validator = jsonschema.Draft202012Validator(genuine.spec(operation))
    esi = _esi()
    for id_ in _ids(kind):
        body = esi.entity(kind, id_)
        assert body is not None
        validator.validate(json.loads(body))
        model.model_validate_json(body)


def test_genuine_and_made_killmails_validate_against_the_specification() -> None:
    validator = jsonschema.Draft202012Validator(genuine.spec(KILLMAIL))
    for line in genuine.records():
        validator.validate(line["esi"])
    for index in range(50):
        validator.validate(GeneratedKillmails(WORLD).body(index, TIME))


def _assert_model_fits(model: Any, schema: dict[str, Any], where: str) -> None:
    for name, field in model.model_fields.items():
        assert name in schema["properties"], f"{where} has no {name}"
        if field.is_required():
            assert name in schema["required"], f"{where}.{name} is optional in the specification"


@pytest.mark.parametrize("kind", ROUTES)
def test_our_models_want_nothing_that_the_specification_does_not_promise(kind: str) -> None:
    operation, model = ROUTES[kind]
    _assert_model_fits(model, genuine.spec(operation), operation)


def test_our_killmail_wants_nothing_that_the_specification_does_not_promise() -> None:
    schema = genuine.spec(KILLMAIL)
    _assert_model_fits(Killmail, schema, "killmail")
    _assert_model_fits(Killmail.model_fields["victim"].annotation, schema["properties"]["victim"], "victim")


def test_wars_validate_against_the_specification_and_our_model() -> None:
    routes = SandboxWars(WORLD, Serving(Faults(), Statistics())).esi_routes()
    listed = _body(routes["/wars"], 0)
    assert listed == sorted({k.body["war_id"] for k in WORLD.killmails.values() if "war_id" in k.body}, reverse=True)
    for war_id in listed:
        for path in ("/wars/{id:int}", "/wars/{id:int}/killmails"):
            spec = genuine.spec("GET " + path.replace("id:int", "war_id"))
            jsonschema.Draft202012Validator(spec).validate(_body(routes[path], war_id))
        War.model_validate(_body(routes["/wars/{id:int}"], war_id))
    schema = genuine.spec("GET /wars/{war_id}")
    _assert_model_fits(War, schema, "war")
    for side in ("aggressor", "defender"):
        _assert_model_fits(War.model_fields[side].annotation, schema["properties"][side], side)


def _body(handler: Handler, war_id: int) -> Any:
    return json.loads(bytes(handler(Request({"type": "http", "path_params": {"id": war_id}})).body))


def test_prices_validate_against_the_specification_and_our_model() -> None:
    operation = "GET /markets/prices"
    prices = json.loads(
        bytes(SandboxMarket(WORLD, Serving(Faults(), Statistics())).prices(Request({"type": "http"})).body)
    )
    assert len(prices) == len({row["type_id"] for row in WORLD.market_history})
    jsonschema.Draft202012Validator(genuine.spec(operation)).validate(prices)
    _assert_model_fits(MarketPrice, genuine.spec(operation)["items"], operation)


def test_names_are_visibly_invented_and_npc_characters_have_no_body() -> None:
    esi = _esi()
    assert b"Sandbox Pilot 580797163" in (esi.entity("characters", 580797163) or b"")
    assert esi.entity("characters", 3019609) is None
    assert esi.entity("characters", 12345) is None


def test_a_body_that_is_kept_takes_little_more_memory_than_its_text() -> None:
    """A feed that lives brings new characters for hours, and the sandbox keeps their bodies."""
    esi, count = _esi(), 2_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        bodies = [esi.entity("characters", FIRST_CHARACTER + number) or b"" for number in range(count)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / count < 500 + sum(map(len, bodies)) / count


def test_the_export_lacks_the_50_newest_types_that_killmails_mention() -> None:
    mentioned = {int(id_) for id_ in re.findall(r'type_id": ?(\d+)', genuine.KILLMAILS.read_text())}
    assert sorted(WORLD.newest_types) == sorted(mentioned)[-50:]


def test_every_part_has_its_share() -> None:
    parts = {part: len(WORLD.part(part)) for part in ("r2z2", "everef", "zkillboard", "zkillboard_ids")}  # type: ignore[arg-type]
    assert sum(parts.values()) == 394
    assert min(parts.values()) > 50


@pytest.mark.parametrize("profile", MEANS)
def test_made_killmails_have_their_profiles_sizes(profile: Profile) -> None:
    attackers, items = MEANS[profile]
    made = [GeneratedKillmails(WORLD, 3, profile).body(index, TIME) for index in range(1_500)]
    assert mean(len(body["attackers"]) for body in made) == pytest.approx(attackers, rel=0.1)
    assert mean(len(body["victim"]["items"]) for body in made) == pytest.approx(items, rel=0.1)


def test_a_made_killmail_is_whole_marked_and_the_same_every_time() -> None:
    first, again = (GeneratedKillmails(WORLD, 5).killmail(17, TIME) for _ in range(2))
    assert first == again
    assert check(KillmailBody(*first)).killmail_id == FIRST_GENERATED_ID + 17
    assert GeneratedKillmails(WORLD, 6).killmail(17, TIME) != first
    pilots = {attacker["character_id"] for attacker in first[0]["attackers"]}
    assert all(FIRST_CHARACTER <= pilot < FIRST_CHARACTER + CHARACTERS for pilot in pilots)

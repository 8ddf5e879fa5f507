"""What the fields of battles return."""

from typing import Any

from ariadne import ObjectType, QueryType
from graphql import GraphQLResolveInfo
from sqlalchemy.engine import Connection

from killreport_assets.web import battles
from killreport_assets.web.entities import KINDS
from killreport_assets.web.graphql.arguments import MAX_RANKS, Facts, checked_count, kind_of
from killreport_assets.web.graphql.context import Entity, context_of

query = QueryType()
battle, side, member = ObjectType("Battle"), ObjectType("BattleSide"), ObjectType("BattleMember")
BATTLE_TYPES = (query, battle, side, member)


@query.field("battle")
async def one_battle(_: None, info: GraphQLResolveInfo, id: int) -> Any:  # noqa: A002
    return await context_of(info).reads.run(lambda connection: battles.known_battle(connection, id))


@query.field("battles")
async def newest_battles(
    _: None,
    info: GraphQLResolveInfo,
    kind: str | None = None,
    id: int | None = None,  # noqa: A002
    first: int = 20,
) -> list[Any]:
    count = checked_count(first, MAX_RANKS)
    name = kind_of(kind).name if kind is not None and id is not None else None
    if name is not None and name not in battles.BY_ENTITY:
        return []

    def read(connection: Connection) -> list[Any]:
        if not battles.are_built(connection):
            return []
        return battles.newest(connection, kind=name, entity_id=id, limit=count)

    return await context_of(info).reads.run(read)


@battle.field("solarSystem")
def solar_system(one: Facts, _info: GraphQLResolveInfo) -> Entity:
    return Entity(KINDS["system"], one["solar_system_id"], one["solar_system_name"])


@battle.field("url")
def url(one: Facts, _info: GraphQLResolveInfo) -> str:
    return f"/battle/{one['battle_id']}"


@battle.field("sides")
async def sides(one: Facts, info: GraphQLResolveInfo) -> list[Any]:
    return await context_of(info).reads.run(lambda connection: battles.sides(connection, one["battle_id"]))


@battle.field("members")
async def members(one: Facts, info: GraphQLResolveInfo) -> list[Any]:
    return await context_of(info).reads.run(lambda connection: battles.members(connection, one["battle_id"]))


@side.field("name")
def side_name(one: Facts, _info: GraphQLResolveInfo) -> str | None:
    name: str | None = one["entity_name"]
    return name


@member.field("character")
def character(one: Facts, _info: GraphQLResolveInfo) -> Entity:
    return Entity(KINDS["character"], one["character_id"], one["character_name"])

"""What the fields of schema.graphql return; what is allowed is in endpoint.py, what reads in loaders.py and web/."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from ariadne import (
    MutationType,
    ObjectType,
    QueryType,
    ScalarType,
    SubscriptionType,
    load_schema_from_path,
    make_executable_schema,
)
from graphql import GraphQLEnumType, GraphQLResolveInfo, GraphQLSchema
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.base.files import PACKAGE
from killreport_assets.web import entities, killmails, statistics
from killreport_assets.web.entities import KINDS
from killreport_assets.web.formats import iso
from killreport_assets.web.graphql.arguments import (
    MAX_DAYS,
    MAX_RANKS,
    PERIODS,
    ApiError,
    Facts,
    checked_count,
    day_of,
    filters_of,
    kind_of,
    moment_of,
    place_of,
)
from killreport_assets.web.graphql.battles import BATTLE_TYPES
from killreport_assets.web.graphql.context import Context, Entity, context_of
from killreport_assets.web.graphql.fits import FIT_TYPES
from killreport_assets.web.killmails import MAX_PAGE, Filters, Place, Side
from killreport_assets.web.status import WorkerStatus

STATUS_SECONDS = 5.0


query, mutation, subscription = QueryType(), MutationType(), SubscriptionType()
killmail, victim, attacker = ObjectType("Killmail"), ObjectType("Victim"), ObjectType("Attacker")
entity, item, top_loss = ObjectType("Entity"), ObjectType("Item"), ObjectType("TopLoss")


def build_schema() -> GraphQLSchema:
    """The executable schema; resolvers of other fields are the rows' columns, by their names in snake case.

    Values of enums are their names. Ariadne replaces how they are parsed, for values of other kinds, by a function that
    graphql-core 3.2.14 calls with an argument more: that is undone.
    """
    schema = make_executable_schema(
        load_schema_from_path(str(PACKAGE / "web" / "graphql")),
        [query, mutation, subscription, killmail, victim, attacker, entity, item, top_loss, *BATTLE_TYPES, *FIT_TYPES],
        [
            ScalarType("DateTime", serializer=iso, value_parser=moment_of),
            ScalarType("Date", serializer=iso, value_parser=day_of),
            ScalarType("BigInt", serializer=lambda value: str(int(value))),
        ],
        convert_names_case=True,
    )
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLEnumType):
            vars(type_).pop("parse_value", None)
    return schema


@query.field("myKillmails")
async def my_killmails(_: None, info: GraphQLResolveInfo, limit: int = 20) -> list[RowMapping]:
    context = context_of(info)
    characters = await context.reads.run(lambda _connection: context.own.characters(context.caller))
    count = checked_count(limit, MAX_PAGE)

    def read(connection: Connection) -> list[RowMapping]:
        found: dict[int, RowMapping] = {}
        for character_id in characters:
            filters = killmails.of_entity(KINDS["character"], character_id)
            found |= {row["killmail_id"]: row for row in killmails.find(connection, filters, count)}
        newest = sorted(found.values(), key=lambda row: (row["killmail_time"], row["killmail_id"]), reverse=True)
        return newest[:count]

    return await context.reads.run(read)


@mutation.field("syncMyKillmails")
async def sync_my_killmails(_: None, info: GraphQLResolveInfo, input: Facts | None = None) -> Facts:  # noqa: A002
    context, asked = context_of(info), input or {}
    synced = await context.own.sync(context.caller, asked.get("character_id"))
    return {
        "success": synced.success,
        "message": synced.message,
        "synced_count": synced.stored,
        "client_mutation_id": asked.get("client_mutation_id"),
    }


@query.field("workerStatus")
async def resolve_worker_status(_: None, info: GraphQLResolveInfo) -> WorkerStatus:
    return await _status(context_of(info))


@query.field("killmail")
async def one_killmail(_: None, info: GraphQLResolveInfo, id: int) -> RowMapping | None:  # noqa: A002
    row: RowMapping | None = await context_of(info).reads.killmails.load(id)
    return row


@query.field("killmails")
async def many_killmails(
    _: None,
    info: GraphQLResolveInfo,
    filter: Facts | None = None,  # noqa: A002
    first: int = 50,
    after: str | None = None,
    oldest_first: bool = False,
) -> Facts:
    filters = replace(filters_of(filter or {}), is_oldest_first=oldest_first)
    return await _connection(context_of(info), filters, first, after)


@query.field("entity")
async def one_entity(_: None, info: GraphQLResolveInfo, kind: str, id: int) -> Entity | None:  # noqa: A002
    context, asked = context_of(info), kind_of(kind)
    row, totals = await asyncio.gather(context.reads.entity(asked, id), context.reads.totals(asked, id))
    return Entity(asked, id) if row is not None or totals is not None else None


@query.field("search")
async def search(_: None, info: GraphQLResolveInfo, text: str, first: int = 10) -> list[Entity]:
    count = checked_count(first, MAX_RANKS)
    found = await context_of(info).reads.run(lambda connection: entities.search(connection, text[:100], count))
    return [Entity(one.kind, one.entity_id, one.name) for one in found[:count]]


@query.field("leaderboard")
async def leaderboard(
    _: None, info: GraphQLResolveInfo, kind: str, metric: str, period: str = "LAST_90_DAYS", first: int = 10
) -> list[Facts]:
    count, asked = checked_count(first, MAX_RANKS), kind_of(kind)
    rows = await context_of(info).reads.run(
        lambda connection: statistics.leaders(connection, asked, metric.lower(), PERIODS[period], count)
    )
    return [dict(row) | {"entity": Entity(asked, row["entity_id"], row["entity_name"])} for row in rows]


@query.field("topLosses")
async def top_losses(_: None, info: GraphQLResolveInfo, day: date, first: int = 10) -> list[RowMapping]:
    count = checked_count(first, MAX_RANKS)
    return await context_of(info).reads.run(lambda connection: statistics.top_losses(connection, day, count))


@query.field("metricDefinitions")
async def metric_definitions(_: None, info: GraphQLResolveInfo, name: str | None = None) -> list[RowMapping]:
    rows = await context_of(info).reads.run(statistics.dictionary)
    return [row for row in rows if name in {None, row["name"]}]


@query.field("build")
async def build(_: None, info: GraphQLResolveInfo) -> statistics.State:
    return await context_of(info).reads.run(statistics.state_of)


@subscription.source("newKillmail")
async def new_killmails(_: None, info: GraphQLResolveInfo) -> AsyncGenerator[Facts, None]:
    async for ids in context_of(info).feed.announced():
        for killmail_id in ids:
            yield {"killmail_id": killmail_id, "url": f"/kill/{killmail_id}"}


@subscription.source("workerStatus")
async def worker_statuses(_: None, info: GraphQLResolveInfo) -> AsyncGenerator[WorkerStatus, None]:
    while True:
        yield await _status(context_of(info))
        await asyncio.sleep(STATUS_SECONDS)


@subscription.field("newKillmail")
@subscription.field("workerStatus")
def what_came(value: Any, _info: GraphQLResolveInfo) -> Any:
    return value


@killmail.field("id")
@killmail.field("killmailId")
def killmail_id(row: Facts, _info: GraphQLResolveInfo) -> int:
    return int(row["killmail_id"])


@killmail.field("victim")
def victim_of(row: Facts, _info: GraphQLResolveInfo) -> Facts:
    return row


@killmail.field("solarSystem")
def solar_system(row: Facts, _info: GraphQLResolveInfo) -> Entity:
    return Entity(KINDS["system"], row["solar_system_id"], row["solar_system_name"])


@killmail.field("region")
def region(row: Facts, _info: GraphQLResolveInfo) -> Entity | None:
    return Entity(KINDS["region"], row["region_id"], row["region_name"]) if row["region_id"] else None


@killmail.field("attackers")
async def attackers_of(row: Facts, info: GraphQLResolveInfo) -> list[RowMapping]:
    return await context_of(info).reads.attackers.load(row["killmail_id"])


@killmail.field("items")
async def items_of(row: Facts, info: GraphQLResolveInfo) -> list[RowMapping]:
    return await context_of(info).reads.items.load(row["killmail_id"])


@killmail.field("values")
async def values_of(row: Facts, info: GraphQLResolveInfo) -> list[RowMapping]:
    return await context_of(info).reads.values.load(row["killmail_id"])


@killmail.field("zkillboard")
async def zkillboard_of(row: Facts, info: GraphQLResolveInfo) -> RowMapping | None:
    found: RowMapping | None = await context_of(info).reads.zkillboard.load(row["killmail_id"])
    return found


@killmail.field("lineage")
async def lineage_of(row: Facts, info: GraphQLResolveInfo) -> Facts:
    rows = await context_of(info).reads.enrichments.load(row["killmail_id"])
    caused = [
        dict(one) | {"kind": one["entity_kind"], "id": one["entity_id"], "name": one["entity_name"]} for one in rows
    ]
    return {"source": row["source"], "stored_at": row["stored_at"], "caused": caused}


for _field, _column in {
    "securityStatus": "solar_system_security_status",
    "isSolo": "is_solo_zkb",
    "isNpc": "is_npc_zkb",
}.items():
    killmail.set_alias(_field, _column)
for _field in ("characterId", "corporationId", "allianceId", "factionId", "shipTypeId"):
    victim.set_alias(_field, f"victim_{_field.removesuffix('Id').lower().replace('type', '_type')}_id")
item.set_alias("typeId", "item_type_id")
item.set_alias("name", "item_name")


def _party(bindable: ObjectType, field: str, kind: str, prefix: str, name: str) -> None:
    def resolve(row: Facts, _info: GraphQLResolveInfo) -> Entity | None:
        entity_id = row[f"{prefix}{kind}_id"]
        return Entity(KINDS[kind], entity_id, row[f"{prefix}{name}_name"]) if entity_id else None

    bindable.set_field(field, resolve)


for _name in ("character", "corporation", "alliance"):
    _party(victim, _name, _name, "victim_", _name)
    _party(attacker, _name, _name, "", _name)
_party(victim, "shipType", "ship_type", "victim_", "ship")
_party(attacker, "shipType", "ship_type", "", "ship")


@top_loss.field("killmail")
async def killmail_of_loss(row: Facts, info: GraphQLResolveInfo) -> RowMapping | None:
    found: RowMapping | None = await context_of(info).reads.killmails.load(row["killmail_id"])
    return found


@entity.field("kind")
def entity_kind(one: Entity, _info: GraphQLResolveInfo) -> str:
    return one.kind.name.upper()


@entity.field("name")
async def entity_name(one: Entity, info: GraphQLResolveInfo) -> str | None:
    if one.known_name is not None:
        return one.known_name
    row = await context_of(info).reads.entity(one.kind, one.id)
    return row[one.kind.name_column] if row else None


@entity.field("allTime")
async def all_time(one: Entity, info: GraphQLResolveInfo) -> RowMapping | None:
    return await context_of(info).reads.totals(one.kind, one.id)


@entity.field("monthly")
async def monthly(one: Entity, info: GraphQLResolveInfo) -> list[RowMapping]:
    return await context_of(info).reads.run(lambda connection: statistics.by_month(connection, one.kind, one.id))


@entity.field("daily")
async def daily(one: Entity, info: GraphQLResolveInfo, since: date, until: date) -> list[RowMapping]:
    if not timedelta() <= until - since <= MAX_DAYS:
        raise ApiError("BAD_USER_INPUT", f"since and until may be at most {MAX_DAYS.days} days apart, in this order")
    return await context_of(info).reads.run(
        lambda connection: statistics.by_day(connection, one.kind, one.id, since, until)
    )


@entity.field("rivals")
async def rivals(one: Entity, info: GraphQLResolveInfo, first: int = 10) -> list[Facts]:
    return await _others(one, info, first, statistics.rivals)


@entity.field("companions")
async def companions(one: Entity, info: GraphQLResolveInfo, first: int = 10) -> list[Facts]:
    return await _others(one, info, first, statistics.companions)


@entity.field("killmails")
async def killmails_of(
    one: Entity, info: GraphQLResolveInfo, side: str = "BOTH", first: int = 50, after: str | None = None
) -> Facts:
    return await _connection(context_of(info), killmails.of_entity(one.kind, one.id, Side(side.lower())), first, after)


async def _others(one: Entity, info: GraphQLResolveInfo, first: int, read: Any) -> list[Facts]:
    if not one.kind.is_player:
        return []
    count = checked_count(first, MAX_RANKS)
    rows = await context_of(info).reads.run(lambda connection: read(connection, one.kind, one.id, limit=count))
    return [dict(row) | {"entity": Entity(one.kind, row["id"], row["name"])} for row in rows]


async def _status(context: Context) -> WorkerStatus:
    status = await context.reads.run(lambda _connection: context.own.status())
    return replace(status, problems=[]) if context.is_elsewhere else status


async def _connection(context: Context, filters: Filters, first: int, after: str | None) -> Facts:
    count = checked_count(first, MAX_PAGE)
    if after is not None:
        filters = replace(filters, before=place_of(after))
    rows = await context.reads.run(lambda connection: killmails.find(connection, filters, count + 1))
    shown = rows[:count]
    edges = [{"cursor": Place.of(row).cursor, "node": row} for row in shown]
    page = {
        "has_next_page": len(rows) > count,
        "has_previous_page": after is not None,
        "start_cursor": edges[0]["cursor"] if edges else None,
        "end_cursor": edges[-1]["cursor"] if edges else None,
    }
    return {"edges": edges, "nodes": shown, "page_info": page}

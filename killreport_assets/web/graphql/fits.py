"""What the fields of fits return."""

from typing import Any

from ariadne import ObjectType, QueryType
from graphql import GraphQLResolveInfo
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.web import fits
from killreport_assets.web.entities import KINDS
from killreport_assets.web.graphql.arguments import MAX_RANKS, Facts, checked_count
from killreport_assets.web.graphql.context import Entity, context_of

query = QueryType()
killmail, fit, module, kills = (
    ObjectType("Killmail"),
    ObjectType("Fit"),
    ObjectType("FitModule"),
    ObjectType("FitKills"),
)
FIT_TYPES = (query, killmail, fit, module, kills)


@query.field("fit")
async def one_fit(_: None, info: GraphQLResolveInfo, id: str) -> RowMapping | None:  # noqa: A002
    return await context_of(info).reads.run(
        lambda connection: fits.fit(connection, id) if fits.are_built(connection) else None
    )


@query.field("fits")
async def fits_of_a_hull(_: None, info: GraphQLResolveInfo, ship_type_id: int, first: int = 20) -> list[RowMapping]:
    count = checked_count(first, MAX_RANKS)

    def read(connection: Connection) -> list[RowMapping]:
        return fits.of_hull(connection, ship_type_id, count) if fits.are_built(connection) else []

    return await context_of(info).reads.run(read)


@killmail.field("fit")
async def fit_of_killmail(row: Facts, info: GraphQLResolveInfo) -> RowMapping | None:
    found: RowMapping | None = await context_of(info).reads.fits.load(row["killmail_id"])
    return found


@fit.field("url")
def url(one: Facts, _info: GraphQLResolveInfo) -> str:
    return f"/fit/{one['fit_id']}"


@fit.field("shipType")
def ship_type(one: Facts, _info: GraphQLResolveInfo) -> Entity:
    return Entity(KINDS["ship_type"], one["ship_type_id"], one["ship_type_name"])


@fit.field("modules")
async def modules(one: Facts, info: GraphQLResolveInfo) -> list[RowMapping]:
    racks = await context_of(info).reads.run(lambda connection: fits.modules(connection, one["fit_id"]))
    return [row for rack in racks.values() for row in rack]


@fit.field("variants")
async def variants(one: Facts, info: GraphQLResolveInfo) -> list[RowMapping]:
    return await context_of(info).reads.run(
        lambda connection: fits.variants(connection, one["family_id"], one["fit_id"])
    )


@fit.field("newestLosses")
async def newest_losses(one: Facts, info: GraphQLResolveInfo) -> list[RowMapping]:
    return await context_of(info).reads.run(lambda connection: fits.losses(connection, one["fit_id"]))


@fit.field("kills")
async def kills_of_fit(one: Facts, info: GraphQLResolveInfo) -> Any:
    return await context_of(info).reads.run(lambda connection: fits.kills(connection, one["fit_id"]))


@module.field("type")
def module_type(row: Facts, _info: GraphQLResolveInfo) -> Entity:
    return Entity(KINDS["ship_type"], row["module_type_id"], row["module_type_name"])


fit.set_alias("averageFittedValue", "average_zkb_trimmed")
for _field, _column in {
    "kills": "kills",
    "weightedKills": "weighted_kills",
    "finalBlows": "final_blows",
    "soloKills": "solo_kills",
}.items():
    kills.set_alias(_field, f"{_column}_inferred_zkb")

"""Static data that the export lacks, from ESI one by one: after a patch, or when the export is unreachable.

Types are not here: storing killmails requests unknown ones from their work queue.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.database.migrate import writing
from killreport_assets.esi import models, routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.esi.models import EsiBody
from killreport_assets.http.errors import Refused
from killreport_assets.store.entities import upsert
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import key_column
from killreport_assets.store.static_data import complete_regions, unresolved_references


@dataclass(frozen=True)
class _Gap:
    table: sa.Table
    route: routes.Route
    model: type[EsiBody]
    referenced_by: sa.Column[Any]


# In this order, each finds what the ones before it have added.
_GAPS = (
    _Gap(tables.groups, routes.GROUP, models.Group, tables.types.c.group_id),
    _Gap(tables.categories, routes.CATEGORY, models.Category, tables.groups.c.category_id),
    _Gap(tables.systems, routes.SYSTEM, models.System, tables.killmails.c.solar_system_id),
    _Gap(tables.constellations, routes.CONSTELLATION, models.Constellation, tables.systems.c.constellation_id),
    _Gap(tables.regions, routes.REGION, models.Region, tables.constellations.c.region_id),
)


def fill_static_gaps(client: EsiClient, engine: Engine) -> dict[str, int]:
    """Fetch each group, category, system, constellation and region that is referenced and missing.

    Returns the number of rows filled by table. What ESI refuses is skipped, and requested again the next time.

    Raises:
        Throttled, Unavailable: ESI does not answer now; what was filled before stays.
    """
    filled: dict[str, int] = {}
    for gap in _GAPS:
        with engine.connect() as connection:
            missing = unresolved_references(connection, gap.referenced_by, key_column(gap.table))
        for missing_id in missing:
            try:
                fetched = client.fetch(gap.route, gap.model, missing_id)
            except Refused:
                continue
            if fetched.body is not None:
                with writing(engine) as connection:
                    upsert(connection, gap.table, [fetched.body.model_dump()])
                filled[gap.table.name] = filled.get(gap.table.name, 0) + 1
    if filled:
        with writing(engine) as connection:
            complete_regions(connection)
    return filled

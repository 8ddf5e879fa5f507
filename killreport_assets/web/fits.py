"""Fits from the marts: one with its modules and losses, those of a hull. Arranging an item list is in fitting.py."""

from collections.abc import Sequence
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.web.database import has_mart
from killreport_assets.web.killmails import killmails_by_id

FITS_OF_A_HULL = 20
LOSSES = 50


def are_built(connection: Connection) -> bool:
    """Whether a nightly build has made the fits."""
    return has_mart(connection, "mart_fits")


def fit(connection: Connection, fit_id: str) -> RowMapping | None:
    """One fit; None if no ship was lost with it."""
    query = sa.text("select * from marts.mart_fits where fit_id = :id")
    return connection.execute(query, {"id": fit_id}).mappings().one_or_none()


def modules(connection: Connection, fit_id: str) -> dict[str, list[RowMapping]]:
    """The modules of a fit by rack, in the order of racks in a fitting window."""
    query = sa.text("""
        select * from marts.mart_fit_modules where fit_id = :id
        order by array_position(array['high', 'mid', 'low', 'rig', 'subsystem'], rack), module_type_name, module_type_id
    """)
    rows = connection.execute(query, {"id": fit_id}).mappings()
    return {rack: list(of_rack) for rack, of_rack in groupby(rows, key=lambda row: str(row["rack"]))}


def losses(connection: Connection, fit_id: str) -> list[RowMapping]:
    """The newest killmails of ships that were lost with this fit."""
    query = sa.text("""
        select killmail_id from marts.fct_killmail_fits where fit_id = :id
        order by killmail_date desc, killmail_id desc limit :limit
    """)
    ids: Sequence[int] = connection.execute(query, {"id": fit_id, "limit": LOSSES}).scalars().all()
    return killmails_by_id(connection, ids)


def variants(connection: Connection, family_id: str, fit_id: str) -> list[RowMapping]:
    """The other fits of the same family, the most lost ones first."""
    query = sa.text("""
        select * from marts.mart_fits where family_id = :family and fit_id <> :id
        order by losses desc, fit_id limit :limit
    """)
    parameters = {"family": family_id, "id": fit_id, "limit": FITS_OF_A_HULL}
    return list(connection.execute(query, parameters).mappings())


def of_hull(connection: Connection, ship_type_id: int, limit: int = FITS_OF_A_HULL) -> list[RowMapping]:
    """The fits of a hull that were lost most."""
    query = sa.text("""
        select * from marts.mart_fits where ship_type_id = :id order by losses desc, fit_id limit :limit
    """)
    return list(connection.execute(query, {"id": ship_type_id, "limit": limit}).mappings())


def of_killmails(connection: Connection, killmail_ids: Sequence[int]) -> dict[int, RowMapping]:
    """By killmail: the fit with which the ship was lost, where it is known and built."""
    if not are_built(connection):
        return {}
    query = sa.text("""
        select losses.killmail_id, fits.* from marts.fct_killmail_fits as losses
        join marts.mart_fits as fits using (fit_id) where losses.killmail_id = any(:ids)
    """)
    return {row["killmail_id"]: row for row in connection.execute(query, {"ids": list(killmail_ids)}).mappings()}


def kills(connection: Connection, fit_id: str) -> RowMapping | None:
    """What zKillboard's rule credits to a fit: see mart_fit_kills."""
    query = sa.text("select * from marts.mart_fit_kills where fit_id = :id")
    return connection.execute(query, {"id": fit_id}).mappings().one_or_none()

"""What follows an export: Iceberg's tables get the new files, and what no snapshot has any more is deleted."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.engine import Engine

from killreport_assets.lake.catalogue import LakeCatalogue
from killreport_assets.lake.export import delete_superseded
from killreport_assets.lake.storage import LakeStorage


@dataclass(frozen=True)
class Kept:
    """What was done after an export."""

    tables: int
    """Tables that have a new snapshot."""
    deleted: int
    """Files that were superseded, and are in no snapshot any more."""


def after_export(engine: Engine, storage: LakeStorage, keep: timedelta) -> Kept:
    """Bring the catalogue to the manifest, then delete what was superseded longer ago than `keep`."""
    catalogue = LakeCatalogue(engine, storage)
    try:
        tables = catalogue.update()
        catalogue.expire(keep)
        needed = catalogue.files_of_snapshots()
    finally:
        catalogue.close()
    return Kept(tables, delete_superseded(storage, keep, needed))

"""The lake of these settings."""

from killreport_assets.lake.storage import LakeStorage
from killreport_assets.settings import Settings


def lake_of(settings: Settings) -> LakeStorage:
    """Where the platform's lake is.

    Raises:
        UserError: KILLREPORT_LAKE_URL is none that can be used.
    """
    return LakeStorage(settings.data.lake_url or str(settings.home.absolute() / "lake"))

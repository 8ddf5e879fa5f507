"""UTC days as partitions. Which days an asset has is at the asset."""

from datetime import date

import dagster as dg


def selected_days(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> list[date] | None:
    """The days of a run's partitions; None if it was started without any."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    return [date.fromisoformat(day) for day in context.partition_keys]

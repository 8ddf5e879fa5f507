"""The partitions that a run was started with: names, or UTC days. Which ones an asset has is at the asset."""

from datetime import date

import dagster as dg


def selected_partitions(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> list[str] | None:
    """The keys of a run's partitions; None if it was started without any."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    return [*context.partition_keys]


def selected_days(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> list[date] | None:
    """The days of a run's partitions; None if it was started without any."""
    selected = selected_partitions(context)
    return None if selected is None else [date.fromisoformat(day) for day in selected]

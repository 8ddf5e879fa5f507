"""Dagster's sensors: they start runs and report observations; none receives messages or writes rows."""

"""Dagster's sensors: they look and start runs; none reads a message or writes a row."""

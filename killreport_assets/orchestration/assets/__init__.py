"""Dagster's assets: thin wrappers of ingest/, workers/ and users/. Keys are schema and table: `raw/killmails`."""

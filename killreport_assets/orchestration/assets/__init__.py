"""Dagster's assets, thin: what they do is in ops/, sources/ and store/. Keys are schema and table: `raw/killmails`."""

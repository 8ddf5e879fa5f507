"""Dagster's ops: thin wrappers; the work itself is in workers/, users/ and store/."""

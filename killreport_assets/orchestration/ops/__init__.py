"""Dagster's ops: thin, what they do is in workers/ and users/."""

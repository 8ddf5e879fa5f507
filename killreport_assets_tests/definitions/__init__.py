"""Tests of what Dagster sees: definitions, assets, sensors, checks."""

"""Helpers for every package: errors, logging, redaction, JSON values, storable text. No I/O except log lines."""

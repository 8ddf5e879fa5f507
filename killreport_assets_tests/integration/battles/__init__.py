"""Tests of battles/."""

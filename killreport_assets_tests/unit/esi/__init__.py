"""Tests of the room esi."""

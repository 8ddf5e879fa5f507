"""Tests of the room users/pages."""

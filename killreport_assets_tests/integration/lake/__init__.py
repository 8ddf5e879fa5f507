"""Tests of the room lake."""

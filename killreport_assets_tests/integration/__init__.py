"""Tests against real servers, by room."""

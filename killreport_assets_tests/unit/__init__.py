"""Tests without sockets; conftest holds them to it."""

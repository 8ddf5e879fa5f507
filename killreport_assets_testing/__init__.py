"""Servers that tests start, genuine data that they read, and small hand-written fakes."""

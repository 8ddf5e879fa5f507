"""Tests of store, queues, esi, sources and ops against real servers."""

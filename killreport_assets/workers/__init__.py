"""Consuming the work queues: the worker, its handlers, the producers that fill the queues, dead letters."""

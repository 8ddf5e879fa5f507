"""Preparing a platform's servers for work: databases, schema, queues, origin."""

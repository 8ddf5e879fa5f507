"""Bringing a platform's servers to the point where work can begin: databases, schema, queues, origin."""

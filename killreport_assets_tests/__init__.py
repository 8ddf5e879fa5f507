"""Tests, in tiers by folder.

unit: no sockets. servers: real PostgreSQL, RabbitMQ and HTTP. definitions: what Dagster sees, on a real instance.
end_to_end: the commands as a user types them. Fixtures of servers are in support/.
"""

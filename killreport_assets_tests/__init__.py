"""The tests, in tiers; within a tier the folders are the rooms of the package.

unit: no sockets. integration: a real PostgreSQL, RabbitMQ, Dagster and the sandbox over HTTP. end_to_end: the commands
as a user types them. Servers, genuine data and fakes are in killreport_assets_testing.
"""

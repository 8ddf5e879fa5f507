"""The web application: pages, sign-in, GraphQL, REST, feed, health and metrics, for readers and their programs.

Reads marts and a few further tables; what it writes is sign-ins, API tokens and requests to sync. Imports no dagster.
"""

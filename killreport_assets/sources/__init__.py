"""Clients of the sources of killmails, prices and static data, except ESI. They do not write; never imports dagster."""

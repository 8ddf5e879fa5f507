"""The versions of the schema; env.py is Alembic's entry, versions/ has one file a version."""

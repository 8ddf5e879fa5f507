"""The versions of the schema: env.py is Alembic's entry point, versions/ has one file per version."""

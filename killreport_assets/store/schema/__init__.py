"""The tables of schemas raw and ops as SQLAlchemy Core: columns, keys, comments. No queries."""

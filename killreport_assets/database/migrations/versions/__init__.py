"""One module a version of the schema; never edited once released."""

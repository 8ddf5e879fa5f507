"""Loading sources into the tables: one loader for each source. The sources' clients are in sources/ and esi/."""

"""From a source into the tables: one loader for each source. Asking the source is for sources/ and esi/."""

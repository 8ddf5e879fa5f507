"""The domain without any I/O: what a killmail is, and which ids are whose."""

"""The domain without I/O: the shape and hash of a killmail, kinds and ranges of ids, dogma attributes."""

"""EVE's API: one client, its typed errors, the bodies that we keep, and the budget shared by every process."""

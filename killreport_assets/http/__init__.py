"""HTTP for every service: the session, typed errors, the request budget. Clients are in esi/ and sources/."""

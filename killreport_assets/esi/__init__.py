"""ESI, EVE's API: client, routes, bodies, bulk requests, outages. Errors and the request budget are in http/."""

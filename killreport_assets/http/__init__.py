"""Asking services over HTTP: the session, typed errors, the shared rate limit and its ledger. Knows no service."""

"""The platform's health: gathered once, shown as status, `/health` and metrics. Reads only."""

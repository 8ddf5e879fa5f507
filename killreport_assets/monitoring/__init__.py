"""How the platform is: gathered once, shown as status, `/health` and metrics. Reads only."""

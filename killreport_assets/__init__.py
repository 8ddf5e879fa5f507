"""KillReport: EVE Online killmails as Dagster data assets.

Only the version lives here: importing the package imports nothing else.
"""

__version__ = "0.2.0"

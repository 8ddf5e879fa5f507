"""A local ESI, zKillboard, R2Z2, EVE Ref and static data export over genuine killmails. Never imports dagster.

Names of characters, corporations and alliances are invented from their ids, visibly; types, groups and systems are
EVE's own.
"""

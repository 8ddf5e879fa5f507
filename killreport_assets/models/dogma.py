"""The dogma attributes of types that are stored as columns. Source: CCP's static data export, dogmaAttributes."""

DOGMA = {633: "meta_level", 1547: "rig_size", 1211: "heat_damage", 422: "tech_level"}
"""Attribute id to the column of `raw.types`."""

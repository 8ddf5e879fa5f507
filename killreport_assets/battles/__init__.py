"""Battles: which killmails are one fight, and who fought on which side.

Graph work that SQL cannot do well. What a battle cost, and who flew what, is summed by dbt's models.
"""

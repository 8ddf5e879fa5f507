"""Roles and databases."""

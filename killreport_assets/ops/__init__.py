"""What the consuming ops do: one drain, told what to do by a work queue's `Work`.

Only consume.py imports dagster: everything else can be run, and is tested, without it.
"""

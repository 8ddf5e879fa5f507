"""Measurements, run by `make bench`: ratios against a reference of the same run, for machines are noisy.

No part of the test gate. Each module measures one thing and has a `measure` that returns its results.
"""

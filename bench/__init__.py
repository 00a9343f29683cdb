"""Comparisons and measurements; not part of the tests."""

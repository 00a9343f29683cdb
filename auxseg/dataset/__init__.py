"""Datasets: importers, the index, and the built-in demo."""

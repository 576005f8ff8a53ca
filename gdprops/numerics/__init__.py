"""Exact arithmetic, running bounds, comparison, oracles, and the two ways to move."""

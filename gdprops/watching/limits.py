"""How much of a run is looked at where nobody says how much."""

STEPS = 20
"""So many optimizer steps are watched."""
ENTRIES = 4096
"""Of tensors with more entries than that, a share of about that size is compared."""

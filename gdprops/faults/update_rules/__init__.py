"""Wrong update rules over NumPy arrays, and right ones that are written unusually."""

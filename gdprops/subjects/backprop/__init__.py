"""Hand-written backprop over NumPy arrays: the user's functions, and the numerical derivative of the user's loss."""

NAME = "backprop"
"""What ``--as`` and reports call this kind of subject."""

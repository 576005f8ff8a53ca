"""Hand-written backprop over NumPy arrays: the user's functions, and the numerical derivative of the user's loss.

Everything here works on arrays; nothing here imports torch.
"""

NAME = "backprop"
"""The name of this kind of subject, for ``--as`` and in reports."""

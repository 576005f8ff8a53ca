"""Hand-written backprop over NumPy arrays: the user's functions, and the numerical derivative of the user's loss."""

"""Wrong hand-written backprop, right twins, and the small NumPy networks that both are made of."""

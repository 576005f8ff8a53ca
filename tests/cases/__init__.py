"""Small inputs of real kinds of faults, each with what must come out of it."""

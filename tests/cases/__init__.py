"""Small inputs, one of each kind, and what must be said of each."""

"""How wrong hand-written backprop is explained: writes put off, accounts that reproduce the weights, facts."""

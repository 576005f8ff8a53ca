"""Pairs: two subjects that should be one, run on the same cases; neither of them counts as wrong.

`pair` joins what both support, `trajectories_apart` compares their weights on one case, `first_difference` says what a
difference is about, and `recorded` keeps one side as data for another environment. Only subjects that are fed gradients
can be a pair.
"""

"""Vectors: each published rule as data, with which an optimizer in any language is checked without gdprops.

`feeds` has the weights, gradients and hyperparameters, `trajectories` computes where every form of a rule goes and how
far rounding may carry an implementation, `vector_files` makes JSON of it. Nothing here runs a user's code.
"""

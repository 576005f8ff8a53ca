"""Explain wrong hand-written backprop: by a run with delayed writes, by accounts that reproduce the weights, by facts.

`explain.py` says in which order they are tried.
"""

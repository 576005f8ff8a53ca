"""Torch optimizers: built afresh for every run, fed gradients, never copied."""

NAME = "optimizer"
"""What ``--as`` and reports call this kind of subject."""

"""Torch optimizers: built afresh for every run, fed gradients, never copied.

Torch is imported here; other kinds of subject do not depend on this folder unless they hold a torch optimizer.
"""

NAME = "optimizer"
"""The name of this kind of subject, for ``--as`` and in reports."""

"""Training steps: `build(model, loss_fn)` returns `step`; the expected update is computed on a model of our own.

`declaration.py` holds what the user declares; the other files read that, and `subject.py` puts them together. Only this
folder knows how a user's model and step are run.
"""

NAME = "training-step"
"""The name of this kind of subject, for ``--as`` and in reports."""

"""Training steps: `build(model, loss_fn)` returns `step`; gdprops computes the expected update on its own model.

`declaration.py` holds what the user declares; the other files read that, and `subject.py` puts them together. Only this
folder knows how a user's model and step are run.
"""

NAME = "training-step"
"""The name of this kind of subject, for ``--as`` and in reports."""

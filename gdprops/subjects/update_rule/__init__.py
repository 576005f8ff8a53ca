"""Update rules: pure functions over NumPy arrays, `(params, grads, state) -> (params, state)`."""

NAME = "update-rule"
"""What ``--as`` and reports call this kind of subject."""

"""Update rules: pure functions over NumPy arrays, `(params, grads, state) -> (params, state)`.

Rules of other frameworks are adapted in `frameworks/` and use the subject defined here.
"""

NAME = "update-rule"
"""The name of this kind of subject, for ``--as`` and in reports."""

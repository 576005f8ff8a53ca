"""Names of other frameworks than torch: which extra installs one, and what a dotted name stands for.

No framework is imported before a subject's name asks for it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest

EXTRAS = {"optax": "jax", "jax": "jax", "keras": "keras", "tensorflow": "tensorflow"}
"""For each framework's module the extra of gdprops that installs it."""

EXAMPLES = {
    "optax": "optax:sgd",
    "jax": "optax:sgd",
    "keras": "keras.optimizers:SGD",
    "tensorflow": "tensorflow.compat.v1.train:GradientDescentOptimizer",
    "torch": "torch.optim:SGD",
}
"""For each framework's module the name of an optimizer."""


def framework_of(spec: str) -> str | None:
    """Return the framework that a subject string names. Raises `UsageError` where it is not installed."""
    root = spec.partition(":")[0].partition(".")[0]
    if root not in EXTRAS:
        return None
    if find_spec(root) is None:
        raise UsageError(f"{root} is not installed: python -m pip install 'gdprops[{EXTRAS[root]}]'")
    return root


def framework_object(spec: str) -> Any:
    """Return what ``framework.part:Name`` names; parts that are no modules of their own are attributes."""
    where, _, name = spec.partition(":")
    parts = where.split(".")
    try:
        found: Any = importlib.import_module(parts[0])
        for part in [*parts[1:], *name.split(".")]:
            if not hasattr(found, part):
                raise UsageError(f"{spec}: {found.__name__} has no {part!r}{nearest(part, dir(found))}")
            found = getattr(found, part)
    except (ImportError, ValueError) as error:  # Keras raises the latter for a backend that there is not
        raise UsageError(f"{parts[0]} cannot be imported: {error}") from error
    _require_backend()
    return found


def _require_backend() -> None:
    """Raise `UsageError` where Keras runs on another backend than is asked for: it is fixed when Keras is imported."""
    asked, keras = os.environ.get("KERAS_BACKEND"), sys.modules.get("keras")
    if asked and keras is not None and keras.backend.backend() != asked:
        raise UsageError(
            f"KERAS_BACKEND={asked!r}, but Keras already runs on {keras.backend.backend()} in this process; "
            "a process has one backend: start another one"
        )


def require_home(found: Any, door: str, homes: Sequence[str]) -> None:
    """Raise `UsageError` for an optimizer of another framework than a door is for; a jitted function is none."""
    named = isinstance(found, type) or inspect.isfunction(found)
    if not named and callable(found):
        return
    made = found if named else type(found)
    root = str(made.__module__).partition(".")[0]  # what exec defines has none
    if root in (*EXTRAS, "torch") and root not in homes:
        raise UsageError(
            f"{door}: {made.__qualname__} belongs to {root}; expected {' or '.join(homes) or 'a function of arrays'} "
            f"(a subject string such as {EXAMPLES[root]} is checked by its own framework)"
        )

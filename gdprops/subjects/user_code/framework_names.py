"""Subject strings of frameworks other than torch: which extra installs the framework, which object a name means.

No framework is imported before a subject string asks for it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from gdprops.errors import UsageError, text_of
from gdprops.model.nearest_name import nearest

EXTRAS = {"optax": "jax", "jax": "jax", "keras": "keras", "tensorflow": "tensorflow"}
"""For each framework's module, the extra of gdprops that installs it."""

EXAMPLES = {
    "optax": "optax:sgd",
    "jax": "optax:sgd",
    "keras": "keras.optimizers:SGD",
    "tensorflow": "tensorflow.compat.v1.train:GradientDescentOptimizer",
    "torch": "torch.optim:SGD",
}
"""For each framework's module, the subject string of one of its optimizers."""


def framework_of(spec: str) -> str | None:
    """Return the framework that a subject string names. Raises `UsageError` where it is not installed."""
    root = spec.partition(":")[0].partition(".")[0]
    if root not in EXTRAS:
        return None
    require_installed(root, EXTRAS[root])
    return root


def require_installed(module: str, extra: str) -> None:
    """Raise `UsageError` where a module is not installed; an extra of gdprops installs it."""
    if find_spec(module) is None:
        raise UsageError(f"{module} is not installed: python -m pip install 'gdprops[{extra}]'")


def framework_object(spec: str) -> Any:
    """Return the object that ``framework.part:Name`` names; parts that are not modules are looked up as attributes."""
    where, _, name = spec.partition(":")
    parts = where.split(".")
    try:
        found: Any = importlib.import_module(parts[0])
        for part in [*parts[1:], *name.split(".")]:
            if not hasattr(found, part):
                raise UsageError(f"{spec}: {found.__name__} has no {part!r}{nearest(part, dir(found))}")
            found = getattr(found, part)
    except (ImportError, ValueError) as error:  # Keras raises ValueError for an unknown backend
        raise UsageError(f"{parts[0]} cannot be imported: {text_of(error)}") from error
    _require_backend()
    return found


def _require_backend() -> None:
    """Raise `UsageError` where Keras does not run on the backend that is asked for: importing Keras fixes it."""
    asked, keras = os.environ.get("KERAS_BACKEND"), sys.modules.get("keras")
    if asked and keras is not None and keras.backend.backend() != asked:
        raise UsageError(
            f"KERAS_BACKEND={asked!r}, but Keras already runs on {keras.backend.backend()} in this process; "
            "a process has one backend: start another one"
        )


def require_home(found: Any, door: str, homes: Sequence[str]) -> None:
    """Raise `UsageError` for an optimizer of another framework than those that the function ``door`` is for.

    A function that a framework has compiled belongs to no framework.
    """
    named = isinstance(found, type) or inspect.isfunction(found)
    if not named and callable(found):
        return
    made = found if named else type(found)
    root = str(made.__module__).partition(".")[0]  # a function that exec defines has no module
    if root in (*EXTRAS, "torch") and root not in homes:
        raise UsageError(
            f"{door}: {made.__qualname__} belongs to {root}; expected {' or '.join(homes) or 'a function of arrays'} "
            f"(a subject string such as {EXAMPLES[root]} is checked by its own framework)"
        )

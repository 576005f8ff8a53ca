"""Subjects of other frameworks than torch: who adapts what, and what to install where it is missing."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.numerics.numpy_system import NumpySystem

if TYPE_CHECKING:
    from gdprops.model.subject import Subject, System

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


def is_foreign(found: Any) -> bool:
    """Say whether something is an optimizer class of a framework that somebody has imported."""
    from gdprops.subjects.frameworks.keras_optimizer import is_keras
    from gdprops.subjects.frameworks.tensorflow_v1 import is_v1

    keras, tensorflow = sys.modules.get("keras"), sys.modules.get("tensorflow")
    return (keras is not None and is_keras(found)) or (tensorflow is not None and is_v1(found))


def framework_subject(found: Any, given: Mapping[str, Any], *, rule: str | None, name: str, spec: str) -> Subject:
    """Return what a framework's name stands for as a subject. Raises `UsageError` for what is none."""
    from gdprops.subjects.frameworks.keras_optimizer import LiveKeras, is_keras
    from gdprops.subjects.frameworks.live_optimizer import living_subject
    from gdprops.subjects.frameworks.tensorflow_v1 import LiveV1, is_v1

    subject: Subject
    if "keras" in sys.modules and is_keras(found):
        backend = sys.modules["keras"].backend.backend()
        subject = living_subject(found, LiveKeras, given, rule=rule, name=name, spec=spec, framework=backend)
    elif "tensorflow" in sys.modules and is_v1(found):
        subject = living_subject(found, LiveV1, given, rule=rule, name=name, spec=spec, framework="tensorflow")
    elif spec.startswith("optax") and callable(found):
        from gdprops.subjects.frameworks.optax_rule import optax_subject

        subject = optax_subject(found, given, rule=rule, name=name, spec=spec)
    else:
        raise UsageError(f"{spec} is no optimizer class of Keras or TensorFlow 1, and no optax transformation")
    return subject


def gradients_by(framework: str) -> System:
    """Return what differentiates our networks by a framework; for no framework our own passes do."""
    if framework == "tensorflow":
        from gdprops.subjects.frameworks.tensorflow_gradients import TensorFlowGradients

        return TensorFlowGradients()
    if framework == "jax":
        from gdprops.subjects.frameworks.jax_gradients import JaxGradients

        return JaxGradients()
    if framework == "torch":
        from gdprops.numerics.torch_system import TorchSystem

        return TorchSystem()
    return NumpySystem()

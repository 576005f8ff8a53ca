"""Which adapter serves which framework other than torch: for its optimizers, and for the gradients of our networks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.numerics.numpy_system import NumpySystem

if TYPE_CHECKING:
    from gdprops.model.subject import FedSubject, System


def is_foreign(found: Any) -> bool:
    """Say whether something is an optimizer class of Keras or TensorFlow 1, where these are already imported."""
    from gdprops.subjects.frameworks.keras_optimizer import is_keras
    from gdprops.subjects.frameworks.tensorflow_v1 import is_v1

    keras, tensorflow = sys.modules.get("keras"), sys.modules.get("tensorflow")
    return (keras is not None and is_keras(found)) or (tensorflow is not None and is_v1(found))


def framework_subject(found: Any, given: Mapping[str, Any], *, rule: str | None, name: str, spec: str) -> FedSubject:
    """Return the object behind a framework's name as a subject. Raises `UsageError` where it is not an optimizer."""
    from gdprops.subjects.frameworks.keras_optimizer import LiveKeras, is_keras
    from gdprops.subjects.frameworks.live_optimizer import live_subject
    from gdprops.subjects.frameworks.tensorflow_v1 import LiveV1, is_v1

    subject: FedSubject
    if "keras" in sys.modules and is_keras(found):
        backend = sys.modules["keras"].backend.backend()
        subject = live_subject(found, LiveKeras, given, rule=rule, name=name, spec=spec, framework=backend)
    elif "tensorflow" in sys.modules and is_v1(found):
        subject = live_subject(found, LiveV1, given, rule=rule, name=name, spec=spec, framework="tensorflow")
    elif spec.startswith("optax") and callable(found):
        from gdprops.subjects.frameworks.optax_rule import optax_subject

        subject = optax_subject(found, given, rule=rule, name=name, spec=spec)
    else:
        raise UsageError(f"{spec} is no optimizer class of Keras or TensorFlow 1, and no optax transformation")
    return subject


def gradients_by(framework: str) -> System:
    """Return the system that computes the gradients of our networks with a framework; without one, NumPy does."""
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

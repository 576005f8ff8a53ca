"""The frameworks with which `gdprops demo` runs: NumPy, torch, and TensorFlow if it is installed."""

from __future__ import annotations

from importlib.util import find_spec

from gdprops.demo.in_numpy import InNumpy
from gdprops.demo.in_torch import InTorch
from gdprops.demo.question_network import Framework


def frameworks() -> list[Framework]:
    """Return NumPy, torch, and TensorFlow if it is installed."""
    found: list[Framework] = [InNumpy(), InTorch()]
    if find_spec("tensorflow") is not None:
        from gdprops.demo.in_tensorflow import InTensorflow

        found.append(InTensorflow())
    return found

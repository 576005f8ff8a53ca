"""JAX computes in float32 unless it is told otherwise: float64 here, and only here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_double() -> Iterator[None]:
    """Let JAX compute in float64 here, and only here."""
    import jax

    switch: Any = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with switch(True):
        yield

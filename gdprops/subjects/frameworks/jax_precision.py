"""Switches JAX to float64 where gdprops needs it; JAX computes in float32 by default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_double() -> Iterator[None]:
    """Let JAX compute in float64 inside this context only."""
    import jax

    switch: Any = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with switch(True):
        yield

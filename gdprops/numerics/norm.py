"""The global norm of a gradient, by which clipping divides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


def global_norm(gradients: Sequence[Array | None]) -> float:
    """Return |g| over all tensors, summed in float64; a missing gradient counts as zeros."""
    return float(np.sqrt(sum(float((g * g).sum(dtype=np.float64)) for g in gradients if g is not None)))

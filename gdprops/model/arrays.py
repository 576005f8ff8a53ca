"""The array type of the whole project, for annotations only."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

# Entries are float64, float32, integer labels, or `fractions.Fraction` (dtype object): hence Any.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

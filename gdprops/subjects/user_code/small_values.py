"""The functions that a top-level assignment may call and is still a definition: they make small values."""

from __future__ import annotations

_WORDS = (
    "array asarray zeros ones eye arange linspace full empty zeros_like ones_like rand randn random "
    "normal uniform randint RandomState default_rng seed vstack hstack concatenate column_stack meshgrid "
    "sin cos exp log sqrt pi reshape astype transpose flatten ravel copy sum mean max min std dict list "
    "tuple set range len float int str bool count deque defaultdict OrderedDict Counter namedtuple "
    "partial vectorize lambdify abspath dirname join getcwd Path resolve insert append TypeVar float64 "
    "float32 permutation choice expand_dims newaxis NewType dataclass sorted zip enumerate map abs round "
    "identity tile repeat square power logspace "
)
MAKERS = frozenset(_WORDS.split())
"""Constructors of arrays, numbers and containers, and what is done with them at once."""

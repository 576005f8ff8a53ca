"""Leave everything as it was: random numbers, default dtype, threads, warnings."""

from __future__ import annotations

import copy
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def isolated() -> Iterator[None]:
    """Run with one torch thread and silent warnings; restore the process-wide state afterwards."""
    state, legacy = random.getstate(), np.random.get_state()
    with warnings.catch_warnings(), np.errstate(all="ignore"), _torch_as_it_was():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            random.setstate(state)
            np.random.set_state(legacy)


@contextmanager
def _torch_as_it_was() -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    held = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_rng_state(held[0])
        torch.set_default_dtype(held[1])
        torch.set_num_threads(held[2])
        torch.set_grad_enabled(held[3])


def seed_random_numbers(seed: int) -> None:
    """Start the global random numbers of Python, NumPy and torch (where it is loaded) at one seed.

    Every run of a subject starts so; `isolated` restores the caller's afterwards.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(seed)


class RandomState:
    """The random numbers of torch (where it is loaded) as they are now; of Python and NumPy too, if ``all_of_them``."""

    def __init__(self, *, all_of_them: bool = True) -> None:
        torch = sys.modules.get("torch")
        self._python = random.getstate() if all_of_them else None
        self._numpy = np.random.get_state(legacy=False) if all_of_them else None
        self._torch = None if torch is None else torch.get_rng_state()

    @property
    def torch_bytes(self) -> bytes:
        """The state of torch's generator, to be compared."""
        return b"" if self._torch is None else self._torch.numpy().tobytes()

    def differs_outside_torch(self, other: RandomState) -> bool:
        """Say whether Python's or NumPy's generator stands elsewhere."""
        return self._python != other._python or not _alike(self._numpy, other._numpy)

    def with_torch(self, other: RandomState) -> RandomState:
        """Return this state with torch's from another one."""
        found = copy.copy(self)
        found._torch = other._torch
        return found

    def put(self) -> None:
        """Go on from these random numbers."""
        if self._python is not None and self._numpy is not None:
            random.setstate(self._python)
            np.random.set_state(self._numpy)
        if self._torch is not None:
            sys.modules["torch"].set_rng_state(self._torch)


def _alike(a: Any, b: Any) -> bool:
    """Say whether two states of NumPy's generator are the same."""
    keys = [state["state"] for state in (a, b)]
    return keys[0]["pos"] == keys[1]["pos"] and bool((keys[0]["key"] == keys[1]["key"]).all())

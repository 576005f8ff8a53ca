"""Leave everything as it was: random numbers, default dtype, threads, warnings."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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
    """The random numbers of Python, NumPy and torch (where it is loaded), as they are now."""

    def __init__(self) -> None:
        torch = sys.modules.get("torch")
        self._python, self._numpy = random.getstate(), np.random.get_state()
        self._torch = None if torch is None else torch.get_rng_state()

    @property
    def torch_bytes(self) -> bytes:
        """The state of torch's generator, to be compared."""
        return b"" if self._torch is None else self._torch.numpy().tobytes()

    def put(self) -> None:
        """Go on from these random numbers."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        if self._torch is not None:
            sys.modules["torch"].set_rng_state(self._torch)

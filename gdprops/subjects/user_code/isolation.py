"""Leaves the process as it was: random numbers, default dtype, threads and warnings."""

from __future__ import annotations

import copy
import ctypes
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

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

    Every run of a subject starts with this; `isolated` restores the caller's random numbers afterwards.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(seed)


@final
class NumPyState:
    """The state of NumPy's global random numbers at one moment.

    Copying a state takes sixty times as long as comparing the generator's memory. So the copy in ``like``, an earlier
    state, is shared where nothing was drawn since.
    """

    def __init__(self, like: NumPyState | None = None) -> None:
        self._memory = _memory_of_numpy()
        shared = like is not None and self._is_surely(like)
        self._copy: Any = like._copy if like is not None and shared else np.random.get_state(legacy=False)

    def _is_surely(self, other: NumPyState) -> bool:
        """Say whether surely nothing was drawn since: a second normal number in store may have been used unseen."""
        return self._memory is not None and self._memory == other._memory and not other._copy["has_gauss"]

    def differs(self, other: NumPyState) -> bool:
        """Say whether the generator's state has changed; True for a generator that is not NumPy's default."""
        if self._memory is None or self._memory != other._memory:
            return True
        return bool(self._copy["has_gauss"] != other._copy["has_gauss"])

    def put(self) -> None:
        """Restore this state, where anything may have been drawn since."""
        if self._memory is None or self._copy["has_gauss"] or self._memory != _memory_of_numpy():
            np.random.set_state(self._copy)


def _memory_of_numpy() -> bytes | None:
    """Return the 624 words of NumPy's default generator and how many are used up, None for another generator."""
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined] # which its stubs leave out
    if not isinstance(generator, np.random.MT19937):
        return None
    return ctypes.string_at(generator.ctypes.state_address, 4 * 624 + 4)


class RandomState:
    """The random numbers of torch (where it is loaded) at one moment; of Python and NumPy too, if ``all_of_them``.

    ``like`` is an earlier state with ``all_of_them``, whose copy of NumPy's numbers may be shared.
    """

    def __init__(self, *, all_of_them: bool = True, like: RandomState | None = None) -> None:
        torch = sys.modules.get("torch")
        self._python = random.getstate() if all_of_them else None
        self._numpy: NumPyState | None = None
        if all_of_them:
            self._numpy = NumPyState(None if like is None else like._numpy)
        self._torch = None if torch is None else torch.get_rng_state()

    @property
    def torch_bytes(self) -> bytes:
        """The state of torch's generator, for comparisons."""
        return b"" if self._torch is None else self._torch.numpy().tobytes()

    def differs_outside_torch(self, other: RandomState) -> bool:
        """Say whether the state of Python's or NumPy's generator has changed."""
        if self._numpy is None or other._numpy is None:
            return self._numpy is not other._numpy
        return self._python != other._python or self._numpy.differs(other._numpy)

    def with_torch(self, other: RandomState) -> RandomState:
        """Return this state with torch's random numbers from another one."""
        found = copy.copy(self)
        found._torch = other._torch
        return found

    def put(self) -> None:
        """Restore these random numbers."""
        if self._python is not None and self._numpy is not None:
            random.setstate(self._python)
            self._numpy.put()
        if self._torch is not None:
            sys.modules["torch"].set_rng_state(self._torch)

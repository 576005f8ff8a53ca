"""Seeds and database keys per clause: with a seed, the command line, pytest and any worker draw the same examples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import final

from hypothesis.database import ExampleDatabase


def item_seed(seed: int, subject: str, clause: str) -> int:
    """Return the seed of one clause: the first 8 bytes of SHA-256(seed, subject, clause) as a number."""
    digest = hashlib.sha256("\0".join((str(seed), subject, clause)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


@final
class KeyedDatabase(ExampleDatabase):
    """A database whose keys are prefixed with subject and clause.

    Hypothesis derives its key from the test function, which is the same function for every clause. Without the prefix,
    a clause that passes would delete the examples of a clause that fails.
    """

    def __init__(self, inner: ExampleDatabase, subject: str, clause: str) -> None:
        super().__init__()
        self._inner = inner
        self._prefix = hashlib.sha256(f"{subject}\0{clause}".encode()).digest()[:16]

    def fetch(self, key: bytes) -> Iterable[bytes]:
        """Return the saved values of a key."""
        return self._inner.fetch(self._prefix + key)

    def save(self, key: bytes, value: bytes) -> None:
        """Save a value under a key."""
        self._inner.save(self._prefix + key, value)

    def delete(self, key: bytes, value: bytes) -> None:
        """Delete a value of a key."""
        self._inner.delete(self._prefix + key, value)

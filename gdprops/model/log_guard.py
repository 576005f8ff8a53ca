"""A guard of a logarithm: the constant in ``log(p + 1e-8)`` that keeps a loss finite."""

from __future__ import annotations

from typing import Protocol


class LogGuard(Protocol):
    """A small constant in the argument of a loss's logarithm, and where it stands."""

    @property
    def constant(self) -> float:
        """The constant."""

    @property
    def file(self) -> str:
        """The file in which it is added."""

    @property
    def line(self) -> int:
        """The line in which it is added."""

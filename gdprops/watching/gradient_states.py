"""What happened to ``.grad`` since it was last looked at: kept, emptied, edited in place, or replaced by the user.

A gradient is recognized by its memory and torch's own count of writes. Its entries are read only where a step has used
it before, or where something has changed: then it may have been zeroed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, final

from gdprops.model.ledger import Holding

if TYPE_CHECKING:
    from torch import Tensor

Numbered = tuple[int, "Tensor"]


@final
class GradientStates:
    """Remembers every parameter's gradient as it was at the last event that gdprops knows of."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._used: set[int] = set()
        self._coming: set[int] = set()

    def look(self, parameters: Iterable[Numbered]) -> dict[int, Holding]:
        """Return what each gradient that is not None holds."""
        found = {}
        for number, parameter in parameters:
            gradient = parameter.grad
            if gradient is None:
                self._known.pop(number, None)
            elif number in self._coming:
                found[number] = Holding.KEPT
            else:
                found[number] = self._state(number, gradient)
        return found

    def _state(self, number: int, gradient: Tensor) -> Holding:
        known, now = self._known.get(number), (id(gradient), gradient._version)
        if known == now and number not in self._used:
            return Holding.KEPT
        if is_zero(gradient):
            return Holding.ZERO
        if known == now:
            return Holding.KEPT
        return Holding.EDITED if known is not None and known[0] == now[0] else Holding.ASSIGNED

    def coming(self, number: int) -> None:
        """Note that a backward call is about to add to a gradient: what it then holds is looked at later."""
        self._coming.add(number)

    def deposited(self, parameters: Iterable[Numbered]) -> None:
        """Remember the gradients to which a backward call has added."""
        for number, parameter in parameters:
            self._coming.discard(number)
            self._used.discard(number)
            self._remember(number, parameter)

    def changed(self, parameters: Iterable[Numbered]) -> None:
        """Remember gradients that something known has changed: a clip, or a GradScaler."""
        for number, parameter in parameters:
            self._remember(number, parameter)

    def used(self, parameters: Iterable[Numbered]) -> None:
        """Remember the gradients that a step has used."""
        for number, parameter in parameters:
            self._used.add(number)
            self._remember(number, parameter)

    def _remember(self, number: int, parameter: Tensor) -> None:
        gradient = parameter.grad
        if gradient is None:
            self._known.pop(number, None)
        else:
            self._known[number] = (id(gradient), gradient._version)


def is_zero(gradient: Tensor) -> bool:
    """Say whether a gradient has only zeros."""
    entries = gradient.detach()
    if entries.is_sparse:
        entries = entries._values()
    if hasattr(entries, "to_local"):
        entries = entries.to_local()
    return not bool(entries.any())

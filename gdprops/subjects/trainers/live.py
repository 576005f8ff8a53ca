"""Which run trains a module: what a loss reads of its trainer is then what it was at that step.

The gradient of a step is computed when the trainer has gone on already. A loss that is weighted by the number of steps
(a penalty that is turned on slowly) would be another one then. So before every batch is handed over it is noted how far
the trainer is, and a copy of the module finds this through an attribute that it shares with the module.
"""

from __future__ import annotations

from typing import Any, final

from gdprops.errors import Unsupported

LIVE = "_gdprops_live"
"""The attribute of a module, and of every copy of it, that leads to the run which trains the module."""


@final
class Live:
    """A trainer, and how far it was when the last batch was handed over.

    ``handed``: a list with one number that all runs of a subject share: how many batches any of them was handed.
    """

    def __init__(self, trainer: Any, handed: list[int], **noted: Any) -> None:
        self.trainer, self.noted = trainer, noted
        self._handed, self._at, self._is_driven = handed, handed[0], False

    def __deepcopy__(self, _memo: Any) -> Live:
        return self

    def attach(self, module: Any) -> Live:
        """Let a module, and the copies that are made of it from now on, find this run."""
        vars(module)[LIVE] = self
        return self

    def note(self, **noted: Any) -> None:
        """Note how far the trainer is, before it is handed a batch."""
        self.noted, self._is_driven = noted, True
        self._handed[0] += 1

    def at(self, name: str) -> Any:
        """Return what was noted.

        Raises `Unsupported` for a second build, which no batch is handed to: where its trainer would be is not known.
        """
        if not self._is_driven and self._handed[0] > self._at:
            raise Unsupported("the loss depends on how far the trainer is, and the module cannot be copied")
        return self.noted[name]


def live_of(module: Any) -> Live | None:
    """Return the run that trains a module, None where no run has begun."""
    found: Live | None = vars(module).get(LIVE)
    return found

"""The batches that a trainer is fed: from the module's own loader, or from a function ``(index) -> batch``.

A batch that is a pair is handed around as inputs and targets, so that reports can tell these apart; any other batch as
inputs alone. The trainer gets it as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, final

from gdprops.errors import UsageError, text_of
from gdprops.subjects.user_code.importing import import_name
from gdprops.subjects.user_code.isolation import isolated, seed_random_numbers

MOST = 24
"""How many batches of a loader are read; after the last one the first comes again."""


@final
class Batches:
    """Batches by index, as pairs of inputs and targets."""

    def __init__(self, batch: Callable[[int], Any]) -> None:
        self._batch = batch
        self._form: type | None = None

    def __call__(self, index: int) -> tuple[Any, Any]:
        """Return a batch as inputs and targets; the targets are None where the batch is no pair."""
        found = self._batch(index)
        if type(found) in (tuple, list) and len(found) == 2 and found[1] is not None:
            self._form = type(found)
            return found[0], found[1]
        return found, None

    def joined(self, inputs: Any, targets: Any) -> Any:
        """Return the batch that inputs and targets are of."""
        return inputs if targets is None or self._form is None else self._form((inputs, targets))


def from_loader(loader: Iterable[Any], name: str) -> Callable[[int], Any]:
    """Return the first batches of a loader by index; it is read in this process, at one seed. Raises `UsageError`."""
    if getattr(loader, "num_workers", 0):
        loader.num_workers = 0  # type: ignore[attr-defined] # a DataLoader
    try:
        with isolated():
            seed_random_numbers(0)
            held = list(islice(iter(loader), MOST))
    except Exception as error:
        raise UsageError(f"{name}: its loader raised {type(error).__name__}: {text_of(error)}") from error
    if not held:
        raise UsageError(f"{name}: its loader has no batch")
    return lambda index: held[index % len(held)]


def named(given: Any, key: str) -> Any:
    """Return what a subject string names, or what was given in Python. Raises `UsageError` in one line."""
    return import_name(given) if isinstance(given, str) else given


def function_of(given: Any) -> Callable[[int], Any]:
    """Return the function ``(index) -> batch`` that ``batches=`` names. Raises `UsageError` for anything else."""
    found = named(given, "batches")
    if not callable(found):
        raise UsageError(f"batches={given!r}; expected a function (index) -> batch")
    batches: Callable[[int], Any] = found
    return batches

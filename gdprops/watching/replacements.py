"""Replacing functions and methods of torch for a while, wherever a module has them under their own name.

``from torch.nn.utils import clip_grad_norm_`` before the watching begins leaves a name in the user's module: that name
is replaced too. `Replacements.undo` puts everything back in the opposite order, but what somebody else has replaced in
the meantime: his function stays, and calls ours, which tells nobody any more.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any, final

_MISSING = object()


@final
class Replacements:
    """What has been replaced, and by what."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []
        self._waiting: dict[int, tuple[Any, Any]] = {}

    def method(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        """Replace what a class or module has under a name by ``wrap`` of it."""
        own = vars(owner).get(name, _MISSING)
        made = wrap(getattr(owner, name))
        setattr(owner, name, made)

        def put_back() -> None:
            if vars(owner).get(name) is not made:
                return
            if own is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, own)

        self._undo.append(put_back)

    def function(self, original: Any, wrap: Callable[[Any], Any]) -> None:
        """Replace a function in every module that has it, as soon as `functions` is called."""
        self._waiting[id(original)] = original, wrap(original)

    def functions(self) -> None:
        """Replace the functions that wait for it: every object of the process is looked at once for all of them."""
        originals = [original for original, _ in self._waiting.values()]
        for names in gc.get_referrers(*originals):
            if isinstance(names, dict) and "__name__" in names and "__spec__" in names:
                for name, value in [(name, value) for name, value in names.items() if id(value) in self._waiting]:
                    original, made = self._waiting[id(value)]
                    names[name] = made
                    self._undo.append(functools.partial(_put_back, names, name, made, original))
        self._waiting.clear()

    def undo(self) -> None:
        """Put everything back."""
        while self._undo:
            self._undo.pop()()


def _put_back(names: dict[str, Any], name: str, made: object, original: object) -> None:
    if names.get(name) is made:
        names[name] = original

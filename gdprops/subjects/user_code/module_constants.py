"""Keeps Hypothesis from drawing constants that it reads in the source of whatever modules are loaded.

Hypothesis draws one value in twenty from constants, and among them are the numbers and texts in the source of modules
outside of site-packages. So what is drawn would depend on which files of the user have been imported: the same seed
would give other examples on the command line than in pytest. Reading some hundred files also takes a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_module_constants() -> Iterator[None]:
    """Draw as if no module held a constant; what Hypothesis has read for others is put back at the end.

    There is no setting for this. A Hypothesis that reads no source has none of these names: nothing is to be done.
    """
    from hypothesis.internal.cache import LRUCache
    from hypothesis.internal.conjecture import providers

    own = {"_get_local_constants": _none_read, "CONSTANTS_CACHE": LRUCache(1024)}
    kept = {name: vars(providers)[name] for name in own if hasattr(providers, name)}
    for name in kept:
        setattr(providers, name, own[name])
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(providers, name, value)


def _none_read() -> object:
    from hypothesis.internal.constants_ast import Constants

    return Constants()

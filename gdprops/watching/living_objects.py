"""Finding what exists in the process: modules and optimizers that no event of the run has shown."""

from __future__ import annotations

import gc
from typing import Any


def objects_of(*kinds: type[Any]) -> list[Any]:
    """Return every object of some classes. All objects of the process are looked at: seldom, by their types alone."""
    wanted, waiting = set(kinds), list(kinds)
    while waiting:
        derived = [one for one in type.__subclasses__(waiting.pop()) if one not in wanted]
        wanted.update(derived)
        waiting += derived
    return [found for found in gc.get_objects() if type(found) in wanted]

"""Iterators that have run out: whoever asks them for parameters gets none.

``params = model.parameters()`` is a generator. An optimizer that is made of it has used it up, and a clip that is given
it afterwards clips nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import FunctionType, GeneratorType


def is_spent(parameters: object) -> bool:
    """Say whether an iterator has run out before it is used; one that never had anything to give has not.

    Decided for generators and for the iterators that Python itself makes, such as ``filter``: these let go of what they
    go through when they end.
    """
    if isinstance(parameters, GeneratorType):
        return parameters.gi_frame is None
    if not isinstance(parameters, Iterator) or type(parameters).__module__ not in ("builtins", "itertools"):
        return False
    holds = [one for one in gc.get_referents(parameters) if not isinstance(one, type | FunctionType)]
    sources = [part for one in holds for part in (one if isinstance(one, tuple) else (one,))]
    inner = [one for one in sources if isinstance(one, Iterator)]
    return any(map(is_spent, inner)) if inner else not holds

"""Which method of a class sets an attribute that its other methods miss: a network that must be compiled first.

``fit`` raises that the object has no attribute ``optimizer``, and ``compile(loss, optimizer)`` is what sets it: that is
the call which is missing, and it belongs into the file's ``build``.
"""

from __future__ import annotations

import ast
import inspect
import re

from gdprops.subjects.backprop.as_written.definition import definition_of
from gdprops.subjects.backprop.as_written.roles import FORWARD, TRAIN, plain

MISSING = re.compile(r"object has no attribute '(\w+)'")


def setup_told(found: type, told: str) -> str:
    """Return a sentence about the method that sets the attribute which an error misses; empty where there is none."""
    match = MISSING.search(told)
    if match is None:
        return ""
    for name, method in vars(found).items():
        is_setup = inspect.isfunction(method) and name != "__init__" and plain(name) not in (*FORWARD, *TRAIN)
        if is_setup and _sets(method, match.group(1)):
            inside = ", ".join(list(inspect.signature(method).parameters)[1:])
            return f"; {name}({inside}) sets self.{match.group(1)} and was not called: call it in build()"
    return ""


def _sets(method: object, attribute: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == attribute and isinstance(node.ctx, ast.Store)
        for node in ast.walk(definition_of(method))
    )

"""Rows that hold their class as the last entry: ``inputs = row[:-1]``, as data sets without arrays have it.

Code that cuts the last entry off a sample must be given one, else it loses a feature.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.subjects.backprop.as_written.data_forms import FORMS, LIST, DataForm
from gdprops.subjects.backprop.as_written.definition import definition_of
from gdprops.subjects.backprop.as_written.roles import Role, role_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


def _with_class(a: Array) -> Any:
    return [*LIST.given(a), 0]


LABELLED = replace(
    LIST,
    told="one sample at a time, as a list with its class at the end",
    steps=_with_class,
    code_of_steps="[*{}[0].tolist(), 0]",
)


def forms_of(functions: Iterable[Callable[..., Any]]) -> tuple[DataForm, ...]:
    """Return the forms in which functions may take their samples."""
    return (LABELLED,) if any(map(_cuts_off_the_class, functions)) else FORMS


def _cuts_off_the_class(function: Callable[..., Any]) -> bool:
    """Say whether a function takes all but the last entry of one sample: ``row[:-1]``."""
    outer = definition_of(function)
    taken = [a.arg for a in outer.args.args] if isinstance(outer, ast.FunctionDef) else []
    samples = {name for name in taken if role_of(name) is Role.DATA}
    return any(
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in samples
        and isinstance(node.slice, ast.Slice)
        and node.slice.lower is None
        and node.slice.upper is not None
        and ast.unparse(node.slice.upper) == "-1"
        for node in ast.walk(outer)
    )

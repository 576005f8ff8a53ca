"""Forms of a published rule with one change in its formula: β₁ where β₂ should stand, a root or a term left out.

The rules are plain functions, and their code is their formula. Every part of it is changed in turn: in the rule itself
and in the functions that it calls. Example: one change of ``m / (sqrt(v) + eps)`` is ``m / (v + eps)``. A form is told
as what stands where. Whether a subject does so is decided by running the form.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CellType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from gdprops.numerics.published import exact_numbers, shaken_arrays
from gdprops.numerics.published.formula_notation import OLD, around, written
from gdprops.numerics.published.formula_parts import Edit, edits, key_of
from gdprops.numerics.published.rule import State, Step


class EditedForm(NamedTuple):
    """A rule with one change, and the change."""

    step: Step
    edit: Edit

    @property
    def says(self) -> str:
        """What stands where, as a sentence without its full stop."""
        old, new = written(self.edit.node), written(self.edit.instead)
        context = around(self.edit.statement, self.edit.node)
        return f"{new} stands where the formula says {old}" + ("" if old == context else f", in {context}")


@lru_cache(maxsize=64)
def edited_forms(step: Step) -> tuple[EditedForm, ...]:
    """Return the forms of a rule with one change in its formula; none where its code cannot be read."""
    inner = getattr(step, "__wrapped__", None)
    if inner is not None:
        again = ((_wrapped_again(step, form.step), form.edit) for form in edited_forms(inner))
        return tuple(EditedForm(wrapped, edit) for wrapped, edit in again if wrapped is not None)
    try:
        functions = _functions_of(step)
        return tuple(form for name in functions for form in _forms(step, name, functions))
    except (OSError, SyntaxError, TypeError):
        return ()


def _wrapped_again(outer: Any, inner: Step) -> Step | None:
    """Return a function with another one in its closure in the place of the one that it wraps."""
    if outer.__code__.co_freevars != ("step",):
        return None
    made = FunctionType(outer.__code__, outer.__globals__, outer.__name__, outer.__defaults__, (CellType(inner),))
    made.__kwdefaults__ = outer.__kwdefaults__
    return made


def _functions_of(step: Any) -> dict[str, FunctionType]:
    """Return a rule and the functions of the published rules that it calls, by their names."""
    found, asked = dict[str, FunctionType](), [step]
    while asked:
        function = asked.pop()
        if function.__name__ in found:
            continue
        found[function.__name__] = function
        known = (function.__globals__.get(name) for name in function.__code__.co_names)
        asked += [other for other in known if isinstance(other, FunctionType) and _is_formula(other)]
    return found


def _is_formula(function: FunctionType) -> bool:
    """Say whether a function is part of a formula, and no help with numbers."""
    home = function.__module__
    return home.startswith(__package__ or "") and home not in (exact_numbers.__name__, shaken_arrays.__name__)


def _forms(step: Any, name: str, functions: Mapping[str, FunctionType]) -> Iterator[EditedForm]:
    """Yield the forms with a change in one of a rule's functions."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(functions[name]))).body[0]
    if not isinstance(tree, ast.FunctionDef):
        return
    _strip(tree)
    for edit in edits(tree):
        edit.put(edit.instead)
        code = _code(tree, edit)
        edit.put(edit.node)
        if code is not None:
            yield EditedForm(_everywhere(_with_changed(step, name, code, functions)), edit)


def _everywhere(step: Step) -> Step:
    """Return a form that gives NaN where the changed formula raises, or gives something of another shape."""

    def ends(w: Any, g: Any, s: State, **settings: Any) -> Any:
        try:
            found = step(w, g, s, **settings)
        except Exception:  # a changed formula may do what arrays do not allow
            return w * np.nan
        return found if np.shape(found) == np.shape(w) else w * np.nan

    return ends


def _strip(tree: ast.FunctionDef) -> None:
    """Take the annotations away: their names are known to type checkers alone."""
    tree.returns, tree.decorator_list = None, []
    for one in (*tree.args.args, *tree.args.kwonlyargs, tree.args.vararg, tree.args.kwarg):
        if one is not None:
            one.annotation = None


def _code(tree: ast.FunctionDef, edit: Edit) -> Any:
    """Return the code of a changed function; what a state was before its update is kept under a name of its own."""
    body, instead = tree.body, edit.instead
    if isinstance(instead, ast.Name) and instead.id.endswith(OLD):
        kept = ast.parse(f"{instead.id} = s[{key_of(edit.node)!r}]").body
        tree.body = [*kept, *body]
    try:
        module = compile(ast.fix_missing_locations(ast.Module([tree], [])), "<formula>", "exec")
    except (SyntaxError, ValueError):
        return None
    finally:
        tree.body = body
    return module


def _with_changed(step: Any, name: str, code: Any, functions: Mapping[str, FunctionType]) -> Step:
    """Return the rule with one function changed; all of its functions find each other, in namespaces of their own."""
    spaces = {home: dict(f.__globals__) for f in functions.values() for home in (f.__module__,)}
    exec(code, spaces[functions[name].__module__])
    made = {name: spaces[functions[name].__module__][name]}
    for other, function in functions.items():
        if other != name:
            space = spaces[function.__module__]
            made[other] = FunctionType(function.__code__, space, other, function.__defaults__, function.__closure__)
            made[other].__kwdefaults__ = function.__kwdefaults__
    for space in spaces.values():
        space.update({other: function for other, function in made.items() if other in space})
    changed: Step = made[step.__name__]
    return changed

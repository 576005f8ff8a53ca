"""Recurrent networks whose parameters are global arrays: ``Wxh = np.random.randn(hidden_size, vocab_size) * 0.01``.

The statements that make them are executed anew for our own numbers of symbols and hidden units, whatever text the
script would have read to count its characters.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.roles import size_of
from gdprops.subjects.backprop.as_written.sequences import gradient_names, pipelines_of, readings_of
from gdprops.subjects.backprop.as_written.training_loops import bound_in

if TYPE_CHECKING:
    from gdprops.model.backprop_layout import Shape
    from gdprops.subjects.backprop.as_written.constructors import Sizes
    from gdprops.subjects.backprop.as_written.reading import Reading
    from gdprops.subjects.user_code.definitions import Definitions

PLAIN = (ast.Name, ast.BinOp, ast.operator, ast.expr_context, ast.Constant)


def global_readings(definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of functions over a sequence whose parameters are global arrays of their file."""
    own = {name: value for name, value in definitions.own.items() if inspect.isfunction(value)}
    statements = [n for n in definitions.source.tree.body if isinstance(n, ast.Assign)]
    for names in pipelines_of(own):
        functions = [own[name] for name in names]
        gradient = gradient_names(functions)
        bound = {name for node in statements for name in bound_in(node)}
        held = tuple(name for name in gradient if name in bound and any(_reads(f, name) for f in functions))
        if held:
            arrays = GlobalArrays(tuple(functions), held, tuple(_needed(statements, held)), vars(definitions.module))
            yield from readings_of(arrays, gradient, names, functions)


def has_sequences(definitions: Definitions) -> bool:
    """Say whether functions of a file run over a sequence, with global arrays as their parameters."""
    return next(global_readings(definitions), None) is not None


def _reads(function: Callable[..., Any], name: str) -> bool:
    return name in function.__code__.co_names


def _needed(statements: list[ast.Assign], names: tuple[str, ...]) -> list[ast.Assign]:
    """Return the statements that make arrays, and those before them that compute numbers of units from others."""
    wanted, found = set(names), list[ast.Assign]()
    for node in reversed(statements):
        bound = set(bound_in(node))
        makes_arrays = bool(bound & set(names))
        adds_up = all(isinstance(n, PLAIN) for n in ast.walk(node.value)) and isinstance(node.value, ast.BinOp)
        if bound & wanted and (makes_arrays or adds_up):
            found.insert(0, node)
            wanted |= {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    return found


@final
@dataclass(frozen=True, slots=True)
class GlobalArrays:
    """Parameters that are global variables of the functions over them."""

    functions: tuple[Callable[..., Any], ...]
    names: tuple[str, ...]
    statements: tuple[ast.Assign, ...]
    known: dict[str, Any]
    counted: dict[Sizes, dict[str, int]] = field(default_factory=dict)

    def _counts(self, sizes: Sizes) -> dict[str, int]:
        """Return the numbers of units that the statements ask for: hidden ones, all others are symbols."""
        made = {name for node in self.statements for name in bound_in(node)}
        asked = {n.id for node in self.statements for n in ast.walk(node.value) if isinstance(n, ast.Name)}
        open_ones = [n for n in asked - made if isinstance(self.known.get(n, 0), int)]
        return {n: sizes.hidden if _is_hidden(n) else self.widths(sizes)[0] for n in open_ones}

    def shapes(self, sizes: Sizes) -> dict[str, Shape]:
        """Return the shapes of the arrays that the statements make."""
        made = {**self.known, **self._counts(sizes)}
        code = compile(ast.Module(list(self.statements), []), "<arrays>", "exec", dont_inherit=True)
        exec(code, made)  # the user's own code is what is examined
        return {name: np.shape(made[name]) for name in self.names}

    def put(self, sizes: Sizes, values: Mapping[str, Any]) -> dict[str, Any]:
        """Put arrays, and numbers of units, into the functions' global variables; they get nothing else."""
        if sizes not in self.counted:
            self.counted[sizes] = self._counts(sizes)
        self.known.update(self.counted[sizes])
        self.known.update(values)
        return {}

    def written(self, sizes: Sizes, values: Mapping[str, Any]) -> list[str]:
        """Return the lines that set them."""
        lines = [f"{name} = {count}" for name, count in self._counts(sizes).items()]
        lines += [f"{name} = np.array({np.asarray(w).tolist()})" for name, w in values.items()]
        return [*lines, f"{self.functions[0].__name__}.__globals__.update(globals())"]

    def widths(self, sizes: Sizes) -> tuple[int, int]:
        """Return the number of symbols, twice: what comes out are those that go in."""
        return max(sizes.n_in, sizes.n_out), max(sizes.n_in, sizes.n_out)


def _is_hidden(name: str) -> bool:
    low = name.lower()
    return size_of(name) == "hidden" or low.startswith(("h_", "hid", "rnn", "n_a", "units")) or low in ("h", "hs")

"""Guesses parameter shapes that the user did not declare, from the names that a loss looks up in its params.

A loss that looks up W1, b1, W2 and b2 gets, among others, W1 (n_in, n_hidden), b1 (n_hidden,), W2 (n_hidden, n_out) and
b2 (n_out,). This file only proposes shapes: `trial.py` finds out by running which of them the user's functions accept,
and are right on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from itertools import pairwise
from typing import Any

import numpy as np

from gdprops.model.backprop_layout import Layout, Shape
from gdprops.model.nearest_name import layer_of
from gdprops.subjects.backprop.forms import Container

Shapes = Callable[[int, int, int], Mapping[str, Shape]]
DISTINCT = (2, 5, 11)
"""Values of n_in, n_hidden and n_out that can be told apart in a shape, even with 1 added."""
MOST_PARAMETERS = 12
LENGTHS = (4, 2, 6, 1, 3, 8)
"""The numbers of parameters that are tried for a list, the most usual ones first."""
BIAS = re.compile(r"b(_.*|\d.*|ias.*|[a-z])?$|.*[bB]ias.*|.*intercept.*|.*_b\d*$")
SCALE = re.compile(r"(gamma|beta|scale|shift)_?\w{0,2}$")
"""The names of what scales and shifts a normalized layer: as many numbers as the layer before it has units."""
WEIGHT, OFFSET, SCALED = "weight", "bias", "scale"
ONE = np.ones((1, 1))
WEIGHTS = (ONE, np.ones((2, 1)), np.ones((1, 2)))
"""Weights of sizes of 1: alone, or with the biases as one more row or column."""
DATA: tuple[tuple[Any, Any], ...] = (
    (ONE, ONE),
    (ONE, np.zeros(1, dtype=np.int64)),
    (ONE, ONE[0]),
    (ONE[0], ONE[0]),
    (ONE[0], np.int64(0)),
)
"""X and y in several forms whose sizes are all 1: hardly any layout of parameters is wrong for one of them."""


def is_bias(name: str, shape: Shape) -> bool:
    """Say whether a parameter is a bias: at most one of its sizes is not 1, and its name is not that of a weight."""
    if sum(n > 1 for n in shape) > 1:
        return False
    return len(shape) == 0 or bool(BIAS.match(name)) or not name.startswith(("w", "W", "theta"))


def distinct_shapes(layout: Layout) -> list[Shape]:
    """Return the shape of every parameter where the numbers of inputs, hidden units and outputs can be told apart."""
    inputs, hidden, outputs = DISTINCT
    return list(layout.shapes(layout.inputs or inputs, hidden, layout.outputs or outputs).values())


def layers_by_shape(names: Sequence[str], layout: Layout) -> tuple[tuple[int, ...], ...]:
    """Return the parameters' positions layer by layer, for names without numbers: a bias follows its weight.

    Where there is only one layer, each tensor stands alone.
    """
    found = list[tuple[int, ...]]()
    for i, (name, shape) in enumerate(zip(names, distinct_shapes(layout), strict=True)):
        if found and is_bias(name, shape):
            found[-1] = (*found[-1], i)
        else:
            found.append((i,))
    return tuple(found) if len(found) > 1 else tuple((i,) for i in range(len(names)))


def guessed(loss: Callable[..., Any]) -> list[tuple[Container, Shapes]]:
    """Return the usual shapes for the names that a loss looks up in its params, or for the lists that it accepts."""
    asked = _asked_names(loss)
    if asked:
        orders = dict.fromkeys((tuple(asked), tuple(sorted(asked, key=lambda name: _number(layer_of(name))))))
        return [(Container(names), _under(names, form)) for names in orders for form in _forms(_kinds(names))]
    found = list[tuple[Container, Shapes]]()
    for n in LENGTHS:
        if _accepts(loss, n):
            listed = [f"params[{k}]" for k in range(n)]
            alternating = [OFFSET if k % 2 else WEIGHT for k in range(n)]
            patterns = [alternating, [WEIGHT] * n] if n % 2 == 0 else [[WEIGHT] * n]
            found += [(Container(None), _under(listed, form)) for kinds in patterns for form in _forms(kinds)]
    return found


def usual_forms(names: Sequence[str]) -> list[Shapes]:
    """Return the usual shapes for a chain of layers whose parameters have these names."""
    return [_under(names, form) for form in _forms(_kinds(names))]


def _kinds(names: Sequence[str]) -> list[str]:
    """Return which parameters are weights, biases, or scales of a normalized layer by their names."""
    return [SCALED if SCALE.match(name) else OFFSET if BIAS.match(name) else WEIGHT for name in names]


def _number(layer: str) -> int:
    return int(layer) if layer.isdecimal() else 0


def _asked_names(loss: Callable[..., Any]) -> list[str]:
    """Return the keys that a loss misses in its params, in the order in which it asks."""
    tried = (_missed(loss, x, y, w, bias) for w in WEIGHTS for x, y in DATA for bias in (ONE, ONE[0]))
    return max(tried, key=len)


def _missed(loss: Callable[..., Any], x: Any, y: Any, weight: Any, bias: Any) -> list[str]:
    names = list[str]()
    while len(names) < MOST_PARAMETERS:
        params = {name: (bias if BIAS.match(name) else weight).copy() for name in names}
        try:
            with redirect_stdout(StringIO()):
                loss(params, x.copy(), y.copy())
        except KeyError as error:
            asked = error.args[0] if error.args else None
            if not isinstance(asked, str) or asked in names:
                return names
            names.append(asked)
        except (Exception, SystemExit):
            return names
        else:
            return names
    return names


def _accepts(loss: Callable[..., Any], n: int) -> bool:
    """Say whether a loss takes a list of n parameters: matrices only, or matrices with vectors between them."""
    for x, y in DATA:
        for weight, every_other in ((ONE, ONE), (ONE, ONE[0]), *((w, w) for w in WEIGHTS[1:])):
            params = [(every_other if k % 2 else weight).copy() for k in range(n)]
            try:
                with redirect_stdout(StringIO()):
                    float(np.asarray(loss(params, x.copy(), y.copy())).reshape(()))
            except (Exception, SystemExit):
                continue
            return True
    return False


Form = Callable[[int, int, int], Sequence[Shape]]


def _under(names: Sequence[str], form: Form) -> Shapes:
    return lambda n_in, n_hidden, n_out: dict(zip(names, form(n_in, n_hidden, n_out), strict=True))


def _forms(kinds: Sequence[str]) -> Iterator[Form]:
    """Yield the usual shapes for a chain of layers, for parameters of some kinds."""
    depth, without_biases = kinds.count(WEIGHT), OFFSET not in kinds
    if depth == 0:
        return
    for weight in (lambda i, o: (i, o), lambda i, o: (o, i)):
        for bias in (lambda o: (o,), lambda o: (1, o), lambda o: (o, 1)):
            yield _chain(kinds, depth, weight, bias)
            if without_biases and SCALED not in kinds:
                break
    if SCALED in kinds:
        return
    yield _vector_at_the_end(kinds, depth, ())
    yield _vector_at_the_end(kinds, depth, (1,))
    if without_biases:
        yield _chain(kinds, depth, lambda i, o: (o, i + 1), lambda o: (o,))
        yield _chain(kinds, depth, lambda i, o: (i + 1, o), lambda o: (o,))
        if depth > 1:
            yield _bias_at_the_start(depth, lambda i, o: (i, o))
            yield _bias_at_the_start(depth, lambda i, o: (o, i))


def _chain(kinds: Sequence[str], depth: int, weight: Callable[[int, int], Shape], bias: Callable[[int], Shape]) -> Form:
    def form(n_in: int, n_hidden: int, n_out: int) -> list[Shape]:
        widths = [n_in, *[n_hidden] * (depth - 1), n_out]
        weights = iter([weight(i, o) for i, o in pairwise(widths)])
        biases = iter([bias(o) for o in widths[1:]] * len(kinds))
        found, layer = list[Shape](), 0
        for kind in kinds:
            layer += kind == WEIGHT
            found.append(next(weights) if kind == WEIGHT else next(biases) if kind == OFFSET else bias(widths[layer]))
        return found

    return form


def _bias_at_the_start(depth: int, weight: Callable[[int, int], Shape]) -> Form:
    """Return shapes for a column of ones that is appended to X, and to nothing else."""

    def form(n_in: int, n_hidden: int, n_out: int) -> list[Shape]:
        return [weight(i, o) for i, o in pairwise([n_in + 1, *[n_hidden] * (depth - 1), n_out])]

    return form


def _vector_at_the_end(kinds: Sequence[str], depth: int, last_bias: Shape) -> Form:
    """Return shapes for a network with one output, whose last weights are a vector."""

    def form(n_in: int, n_hidden: int, n_out: int) -> list[Shape]:
        del n_out
        widths = [n_in, *[n_hidden] * (depth - 1)]
        weights = iter([*pairwise(widths), (widths[-1],)])
        biases = iter([*((o,) for o in widths[1:]), *[last_bias] * len(kinds)])
        return [next(weights) if kind == WEIGHT else next(biases) for kind in kinds]

    return form

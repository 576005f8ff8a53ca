"""How plain functions hold their parameters: in a dict, a list, or one by one under names of their own.

They come from the function that makes the first ones (``initialize_parameters(3, 4, 2)``), or their shapes are guessed
from the names under which the other functions ask for them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import numpy as np

from gdprops.model.backprop_layout import Shape
from gdprops.subjects.backprop.as_written.bound_calls import returned_names
from gdprops.subjects.backprop.as_written.constructors import Constructor, Made, Sizes, ways_to_make
from gdprops.subjects.backprop.as_written.leaves import (
    IS_BIAS,
    LISTS,
    NOT_KNOWN,
    AnyLeaf,
    Holders,
    Leaf,
    holders_of,
    leaves_of,
)
from gdprops.subjects.backprop.as_written.probes import OTHER_PROBE, PROBE, seeded
from gdprops.subjects.backprop.as_written.stacked_leaves import Stack, stacked
from gdprops.subjects.backprop.shapes import BIAS, usual_forms
from gdprops.subjects.user_code.quiet import quiet

MOST_FIXED_WEIGHTS = 100
"""How many parameters of fixed sizes are judged as they are; more of them are first made smaller."""


def _nothing(sizes: Sizes) -> Mapping[str, Any]:
    del sizes
    return {}


@final
@dataclass(slots=True)
class ParameterSet:
    """Parameters as the functions hold them.

    ``make``: returns them for some sizes; ``names``: under which names they are held one by one, empty where the
    functions take one object that holds them all; ``inputs``: the number of features where the code fixes it;
    ``given``: what else they are made with, which other functions may ask for by the same name.
    """

    make: Callable[[Sizes], Any]
    names: tuple[str, ...]
    told: str
    inputs: int | None = None
    given: Callable[[Sizes], Mapping[str, Any]] = _nothing
    known: dict[Sizes, tuple[Any, list[AnyLeaf], list[str]]] = field(default_factory=dict)
    structure: list[tuple[Holders, bool]] = field(default_factory=list)
    by_shapes: dict[tuple[Shape, ...], Sizes] = field(default_factory=dict)

    def of(self, sizes: Sizes) -> tuple[Any, list[AnyLeaf], list[str]]:
        """Return the parameters of some sizes, what of them are numbers, and their names."""
        if sizes not in self.known:
            if not self.structure:
                self.structure.append(self._structure())
            holders, stacks = self.structure[0]
            root = self._root(sizes)
            found = self._numbers(root, holders)
            leaves: list[AnyLeaf] = [*(stacked(found) if stacks else found)]
            self.known[sizes] = root, leaves, [self._name(leaf) for leaf in leaves]
            self.by_shapes.setdefault(tuple(leaf.shape for leaf in leaves), sizes)
        return self.known[sizes]

    @property
    def is_in_lists(self) -> bool:
        """Whether all numbers are held in lists."""
        return all(leaf.form in LISTS for leaf in self.of(PROBE)[1])

    def _root(self, sizes: Sizes) -> Any:
        root = self.make(sizes)
        return [root] if isinstance(root, np.ndarray) else list(root) if isinstance(root, tuple) else root

    def _numbers(self, root: Any, holders: Holders) -> list[Leaf]:
        return [leaf for leaf in leaves_of(root, holders) if leaf.form != "float" or self.names or _is_bias(leaf)]

    def _structure(self) -> tuple[Holders, bool]:
        """Return which lists hold parameters, and whether those of the neurons of a layer belong together.

        They do where there are as many parameters as the layers have neurons.
        """
        usual = self._numbers(self._root(PROBE), NOT_KNOWN)
        try:
            other = self._numbers(self._root(OTHER_PROBE), NOT_KNOWN)
        except Exception:  # it is made for one size only
            other = usual
        return holders_of(usual), [leaf.path for leaf in usual] != [leaf.path for leaf in other]

    def _name(self, leaf: AnyLeaf) -> str:
        first = leaf.path[0][1]
        if self.names and isinstance(first, int):
            rest = "".join(f"[{key!r}]" for _, key in leaf.path[1:])
            return f"{self.names[first]}{rest}"
        if len(leaf.path) == 1 and isinstance(first, str):
            return first
        if isinstance(leaf, Stack):
            return f"params{leaf.name}"
        return "params" + "".join(f"[{key!r}]" for _, key in leaf.path)

    def shapes(self, n_in: int, hidden: int, n_out: int) -> dict[str, Shape]:
        """Return the shape of every parameter."""
        with quiet():
            _, leaves, names = self.of(Sizes(n_in, hidden, n_out))
        return {name: leaf.shape for name, leaf in zip(names, leaves, strict=True)}

    def filled(self, params: Mapping[str, Any]) -> Any:
        """Return parameters as the functions hold them, with these numbers."""
        sizes = self.by_shapes[tuple(np.shape(w) for w in params.values())]
        root, leaves, names = self.of(sizes)
        root = copy.deepcopy(root)
        for leaf, name in zip(leaves, names, strict=True):
            leaf.put(root, params[name])
        return root

    def written(self, params: Mapping[str, Any]) -> str:
        """Return parameters as the functions hold them, as Python text."""
        return _text(self.filled(params))

    def lines(self, params: Mapping[str, Any]) -> list[str]:
        """Return the lines that bind the parameters: those that are held one by one, and single arrays of a dict."""
        held = self.by_name(self.filled(params)) if self.names else {n: np.asarray(w) for n, w in params.items()}
        return [f"{name} = {_text(value)}" for name, value in held.items() if name.isidentifier()]

    def taken(self, root: Any, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the numbers of parameters as the functions hold them; None where some are missing."""
        sizes = self.by_shapes[tuple(np.shape(w) for w in params.values())]
        _, leaves, names = self.of(sizes)
        try:
            return {name: leaf.array(root) for leaf, name in zip(leaves, names, strict=True)}
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            return None

    def by_name(self, root: Any) -> dict[str, Any]:
        """Return what is held one by one under its names; nothing where one object holds it all."""
        return dict(zip(self.names, root, strict=False)) if self.names else {}

    def beside(self, root: Any) -> dict[str, Any]:
        """Return what parameters as the functions hold them are made with, beside numbers, by name."""
        if not any(isinstance(value, list | dict) for value in self.given(PROBE).values()):
            return {}
        for sizes, (_, leaves, _) in self.known.items():
            try:
                fits = all(np.shape(leaf.array(root)) == leaf.shape for leaf in leaves)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                continue
            if fits:
                return {n: value for n, value in self.given(sizes).items() if isinstance(value, list | dict)}
        return {}


def _is_bias(leaf: Leaf) -> bool:
    return IS_BIAS.fullmatch(str(leaf.path[-1][1])) is not None


def nested_sets() -> Iterator[ParameterSet]:
    """Yield the parameters of a network that is a list of layers, these lists of neurons, these lists of weights.

    The last weight of a neuron may be its bias.
    """
    for biases in (1, 0):

        def make(sizes: Sizes, biases: int = biases) -> Any:
            shapes = (sizes.hidden, sizes.n_in + biases), (sizes.n_out, sizes.hidden + biases)
            return [np.zeros(shape).tolist() for shape in shapes]

        yield ParameterSet(make, (), "")


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()})"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_text(inside)}' for key, inside in value.items())}}}"
    return repr(float(value)) if isinstance(value, np.floating) else repr(value)


def made_sets(initial: Sequence[Callable[..., Any]]) -> Iterator[ParameterSet]:
    """Yield the parameter sets that functions make which are called like an initialization."""
    for function in initial:
        for way in ways_to_make(function, {}):
            if way.takes_data:
                continue

            def make(sizes: Sizes, function: Callable[..., Any] = function, way: Any = way) -> Any:
                seeded()
                return way.make(function, Made(sizes, None, None, 0.1))

            try:
                with quiet(), np.errstate(all="ignore"):
                    first = make(Sizes(3, 4, 2))
            except Exception:  # it is found out by trying
                continue
            names = tuple(returned_names(function)) if isinstance(first, tuple | np.ndarray) else ()
            if isinstance(first, np.ndarray):
                first = (first,)
            if isinstance(first, tuple) and (len(names) != len(first) or not all(names)):
                names = tuple(f"params[{k}]" for k in range(len(first)))
            given = partial(_given, way)
            made = ParameterSet(make, names, function.__name__, given=given)
            if not way.takes_sizes:
                yield from _of_other_sizes(first, names)
                if 0 < sum(leaf.array(first).size for leaf in leaves_of(first)) <= MOST_FIXED_WEIGHTS:
                    for inputs in _possible_inputs(first):
                        yield ParameterSet(make, names, function.__name__, inputs)
            elif made.of(Sizes(3, 4, 2))[1] and made.of(Sizes(3, 4, 2))[2] == made.of(Sizes(2, 5, 3))[2]:
                yield made
                if len(made.names) != 1:
                    break


def listed_sets(names: Sequence[str]) -> Iterator[ParameterSet]:
    """Yield the usual shapes for parameters held in a list of matrices and one of biases, or in the first alone."""
    biases = [BIAS.match(name) is not None for name in names]
    several = {(False,): ["W1", "W2"], (False, True): ["W1", "b1", "W2", "b2"]}.get(tuple(biases), [])
    for shapes in usual_forms(several):

        def make(sizes: Sizes, shapes: Any = shapes) -> Any:
            found = [np.zeros(shape) if shape else 0.0 for shape in shapes(*sizes).values()]
            return [found[k :: len(names)] for k in range(len(names))]

        yield ParameterSet(make, tuple(names), "")


def under_names(made: ParameterSet, asked: Sequence[str]) -> ParameterSet:
    """Return parameters under the names by which functions ask for them, where none is what the first ones are called.

    ``hidden_layer_weights`` may be returned by the function that makes them, and ``hidden_weights`` be asked for.
    """
    if len(asked) != len(made.names) or set(asked) & set(made.names):
        return made
    return ParameterSet(made.make, tuple(asked), made.told, made.inputs, made.given)


def _given(way: Constructor, sizes: Sizes) -> Mapping[str, Any]:
    return way.given(Made(sizes, None, None, 0.1))


def _possible_inputs(first: Any) -> list[int]:
    """Return the numbers of inputs that arrays of fixed sizes allow, ours first."""
    shapes = [leaf.shape for leaf in leaves_of(first)]
    widths = dict.fromkeys(n for shape in shapes for n in shape)
    return sorted(widths, key=lambda n: n != PROBE.n_in) or [PROBE.n_in]


def _of_other_sizes(first: Any, names: Sequence[str]) -> Iterator[ParameterSet]:
    """Yield the usual shapes for parameters of sizes that a function fixes: under its names, and small."""
    if isinstance(first, dict) and all(isinstance(v, np.ndarray) and isinstance(k, str) for k, v in first.items()):
        yield from guessed_sets(list(first), in_dict=True)
    elif names and all(isinstance(v, np.ndarray) for v in first):
        yield from guessed_sets(list(names), in_dict=False)


def guessed_sets(names: Sequence[str], *, in_dict: bool) -> Iterator[ParameterSet]:
    """Yield the usual shapes for parameters of given names, held one by one or in a dict."""
    for shapes in usual_forms(names):

        def make(sizes: Sizes, shapes: Any = shapes) -> Any:
            found = {n: np.zeros(shape) if shape else 0.0 for n, shape in shapes(*sizes).items()}
            return found if in_dict else list(found.values())

        yield ParameterSet(make, () if in_dict else tuple(names), "")

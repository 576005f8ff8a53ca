"""How an object of the user's class is made for given numbers of inputs, hidden units and outputs.

Tried are sizes one by one, ``(2, 3, 1)``, as a list, ``([2, 3, 1])``, by keywords that mean sizes, the data themselves,
``(X, y)``, and nothing at all. Further arguments are understood by their names (a learning rate, a number of epochs) or
keep their defaults.
"""

from __future__ import annotations

import inspect
import re
from ast import literal_eval
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, final

import numpy as np

from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.config_dicts import (
    LITERAL,
    entries,
    entries_of,
    gives_rate,
    is_entries,
    looked_up,
)
from gdprops.subjects.backprop.as_written.layer_lists import described_layers, is_described, layers_of
from gdprops.subjects.backprop.as_written.roles import Role, role_of, size_of
from gdprops.subjects.backprop.as_written.string_choices import string_choices

NO_CHOICES: Mapping[str, Sequence[str]] = MappingProxyType({})
HOW_OFTEN = 1
"""How many epochs are trained: one step is judged."""
SMALL = 0.5
"""What other required numbers get: a share, a slope, a scale."""


class Sizes(NamedTuple):
    """The numbers of inputs, hidden units and outputs."""

    n_in: int
    hidden: int
    n_out: int


@final
@dataclass(frozen=True, slots=True)
class Made:
    """What an object is made for: sizes, data in the form that the code takes, and the learning rate."""

    sizes: Sizes
    x: Any
    y: Any
    rate: float


class Making(Protocol):
    """One way to make an object, of which the constructor may take sizes, data or a rate."""

    @property
    def takes_data(self) -> bool:
        """Whether the object is made with the data."""

    @property
    def takes_rate(self) -> bool:
        """Whether the object is made with its learning rate."""

    @property
    def takes_sizes(self) -> bool:
        """Whether the numbers of inputs, hidden units or outputs can be chosen."""

    @property
    def told(self) -> str:
        """How the object is made, in words; empty where sizes say it."""

    def make(self, found: Any, made: Made) -> Any:
        """Return a new object."""

    def lines(self, name: str, made: Made, data: Mapping[str, str]) -> list[str]:
        """Return the lines that make an object ``net`` of the class of this name; ``data``: how x and y are written."""


@final
@dataclass(frozen=True, slots=True)
class Constructor:
    """One way to make an object: the arguments by name, each with what it gets."""

    arguments: tuple[tuple[str, str], ...]
    declared: tuple[tuple[str, Any], ...] = ()

    def make(self, found: Callable[..., Any], made: Made) -> Any:
        """Return a new object."""
        return found(**self.given(made))

    def given(self, made: Made) -> dict[str, Any]:
        """Return what it is made with, by the names of the arguments."""
        return {**{name: _value(what, made) for name, what in self.arguments}, **dict(self.declared)}

    @property
    def takes_data(self) -> bool:
        """Whether the object is made with the data."""
        return any(what in ("x", "y") for _, what in self.arguments)

    @property
    def takes_rate(self) -> bool:
        """Whether the object is made with its learning rate."""
        return any(what == "rate" or gives_rate(what) for _, what in self.arguments)

    @property
    def takes_sizes(self) -> bool:
        """Whether the numbers of inputs, hidden units or outputs can be chosen."""
        sizes = ("in", "hidden", "out", "before", "list", "hidden list", "rest list")
        return any(what in sizes or is_described(what) or is_entries(what) for _, what in self.arguments)

    @property
    def told(self) -> str:
        """Nothing: what the constructor gets is seen in the case."""
        return ""

    def lines(self, name: str, made: Made, data: Mapping[str, str]) -> list[str]:
        """Return the line that makes an object."""
        return [f"net = {self.written(name, made, data)}"]

    def written(self, name: str, made: Made, data: Mapping[str, str]) -> str:
        """Return the call as Python text; ``data`` is how x and y are written."""
        given = [f"{key}={data.get(what) or repr(_value(what, made))}" for key, what in self.arguments]
        given += [f"{key}={value.__name__ if callable(value) else repr(value)}" for key, value in self.declared]
        return f"{name}({', '.join(given)})"


def _value(what: str, made: Made) -> Any:
    if is_described(what):
        return layers_of(what, *made.sizes)
    if is_entries(what):
        return {key: _value(of, made) for key, of in entries_of(what)}
    kind, _, name = what.partition(" of ")
    return VALUES[kind](made, name)


VALUES: dict[str, Callable[[Made, str], Any]] = {
    "in": lambda made, name: made.sizes.n_in,
    "hidden": lambda made, name: made.sizes.hidden,
    "out": lambda made, name: made.sizes.n_out,
    "list": lambda made, name: list(made.sizes),
    "two": lambda made, name: [made.sizes.n_in, made.sizes.n_out],
    "hidden list": lambda made, name: [made.sizes.hidden],
    "x": lambda made, name: made.x,
    "y": lambda made, name: made.y,
    "rate": lambda made, name: made.rate,
    "often": lambda made, name: HOW_OFTEN,
    "rows": lambda made, name: np.shape(made.x)[0] if np.ndim(made.x) else 1,
    "small": lambda made, name: SMALL,
    "zero": lambda made, name: 0.0,
    "layers": lambda made, name: 1,
    "depth": lambda made, name: 2,
    "rest list": lambda made, name: [made.sizes.hidden, made.sizes.n_out],
    "text": lambda made, name: name,
    "matrix": lambda made, name: _drawn(made.sizes.n_in, made.sizes.n_out),
    "vector": lambda made, name: _drawn(made.sizes.n_in),
    "bias": lambda made, name: _drawn(made.sizes.n_out),
    "one bias": lambda made, name: SMALL,
    "activation": lambda made, name: name,
    "before": lambda made, name: LayerBefore(made.sizes.n_in),
    "activations": lambda made, name: [name] * 2,
    LITERAL: lambda made, name: literal_eval(name),
}
"""What an argument gets, by what it is."""


def usual_value(name: str, made: Made) -> Any:
    """Return what an argument of this name gets; None where the name does not tell."""
    what = "zero" if MOMENTUM.fullmatch(name.lower()) else _by_name(name)
    return None if what is None else _value(what, made)


MOMENTUM = re.compile(r"beta_?\d?|momentum|decay\w*|rho|mu|\w*_decay")
"""The names of numbers that a plain step does without."""


def _drawn(*shape: int) -> Any:
    count = int(np.prod(shape))
    return 0.1 * (1 + np.arange(count, dtype=np.float64) % 5).reshape(shape)


PATTERNS: tuple[tuple[str, ...], ...] = (
    ("in", "hidden", "out"),
    ("list",),
    ("x", "y"),
    ("in", "out"),
    ("out", "in"),
    ("in", "hidden", "hidden", "out"),
    ("in",),
    ("in", "hidden list", "out"),
    ("hidden",),
    ("two",),
    (),
)
"""What the required arguments get where their names do not tell."""


def constructors(found: type, declared: Mapping[str, Any]) -> Iterator[Constructor]:
    """Yield the ways to make an object of a class, the most telling ones first.

    ``declared``: arguments that the user has given, by name.
    """
    begins: Any = found.__init__  # type: ignore[misc] # of this very class
    made = list(_constructors((parameters(begins) or [])[1:], declared, string_choices(found)))
    yield from made
    yield from _after_another(made)
    yield from _of_described_layers(found, made)
    yield from (Constructor(one, tuple(declared.items())) for one in described_sizes(found, parameters(begins) or []))


BEFORE = re.compile(r"(prev(ious)?|input|inbound|parent|last)_?layer|prev(ious)?|parent", re.IGNORECASE)
"""How the layer is called behind which a layer is put, and which knows the number of its inputs."""


@final
@dataclass(frozen=True, slots=True)
class LayerBefore:
    """Stands for a layer behind which another one is put: whatever it is asked for is the number of its units."""

    units: int

    def __getattr__(self, name: str) -> Any:
        """Return the number of units, or the shape of an output."""
        if name.startswith("__"):
            raise AttributeError(name)
        return (self.units,) if "shape" in name else self.units


def _after_another(made: Sequence[Constructor]) -> Iterator[Constructor]:
    """Yield the ways to make a layer that is put behind another one."""
    for one in made:
        told = tuple((n, "before" if what == "in" and BEFORE.fullmatch(n) else what) for n, what in one.arguments)
        if told != one.arguments:
            yield replace(one, arguments=told)


def _of_described_layers(found: Callable[..., Any], made: Sequence[Constructor]) -> Iterator[Constructor]:
    for one in made:
        if any(what == "list" for _, what in one.arguments):
            yield from (replace(one, arguments=arguments) for arguments in described_layers(found, one.arguments))


def described_sizes(
    found: Callable[..., Any], taken: Sequence[inspect.Parameter]
) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield arguments of which one is a dict of sizes: ``config["input"]``; there is nothing else to be given."""
    needed = [p.name for p in taken if p.default is p.empty and p.name != "self"]
    if len(needed) != 1:
        return
    named = [(key, _by_name(key), own) for key, own in looked_up(found, needed[0])]
    if any(what in ("in", "hidden", "out", "list", "hidden list") for _, what, _ in named):
        yield ((needed[0], entries(named)),)


def ways_to_make(function: Callable[..., Any], declared: Mapping[str, Any]) -> Iterator[Constructor]:
    """Yield the ways to call a function that makes parameters for given sizes."""
    made = list(_constructors(parameters(function) or [], declared))
    yield from made
    yield from _of_described_layers(function, made)


def _constructors(
    taken: list[inspect.Parameter], declared: Mapping[str, Any], texts: Mapping[str, Sequence[str]] = NO_CHOICES
) -> Iterator[Constructor]:
    taken = [p for p in taken if p.name not in declared]
    given = tuple(declared.items())
    seen = set[tuple[tuple[str, str], ...]]()
    for chosen in _ways(taken, texts):
        if chosen not in seen:
            seen.add(chosen)
            yield Constructor(chosen, given)


def _ways(taken: list[inspect.Parameter], texts: Mapping[str, Sequence[str]]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield the ways to give arguments, with each of the words that the code knows for those that are words."""
    named = [p for p in taken if p.default is p.empty and (p.name in texts or _is_activation(p))]
    offered = [texts.get(p.name, ACTIVATIONS) for p in named]
    for k in range(min(max(map(len, offered), default=1), MOST_WORDS)):
        words = {p.name: words[min(k, len(words) - 1)] for p, words in zip(named, offered, strict=True)}
        yield from _ways_with(taken, words)


MOST_WORDS = 5
ACTIVATIONS = ("sigmoid", "tanh", "relu", "linear", "logistic")
"""What an activation may be called where it is an argument."""


def _is_activation(p: inspect.Parameter) -> bool:
    return "activation" in p.name.lower() and p.default is p.empty


DEPTH = re.compile(r"(n|num|nb|no|number)_?(of)?_?layers?|n_?l|depth")
PER_LAYER = re.compile(r"(neurons|units|nodes)_?(per|in)_?layers?|(num|n)_?(units|neurons|nodes)|layer_(units|neurons)")


def _ways_with(taken: list[inspect.Parameter], words: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], ...]]:
    named = {p.name: _by_name(p.name) for p in taken}
    for p in taken:
        low = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", p.name).lower()
        if p.name in words:
            several = _is_activation(p) and p.name.lower().endswith("s")
            named[p.name] = f"{'activations' if several else 'text'} of {words[p.name]}"
        elif named[p.name] == "hidden list" and ("hidden" in named.values() or p.annotation in (int, "int")):
            named[p.name] = "layers"
        elif named[p.name] is None and DEPTH.fullmatch(low):
            named[p.name] = "depth"
        elif PER_LAYER.fullmatch(low):
            named[p.name] = "rest list" if "in" in named.values() else "list"
    needed = [p for p in taken if p.default is p.empty]
    named |= _left_over([p.name for p in needed], named)
    has_inputs = "in" in named.values()
    offered = {p.name: _optional(p, named[p.name], has_inputs=has_inputs) for p in taken if p.default is not p.empty}
    optional = [(name, what) for name, what in offered.items() if what]
    if all(named[p.name] for p in needed):
        yield (*((p.name, str(named[p.name])) for p in needed), *optional)
        if "matrix" in named.values():  # the weights of a single unit
            alone = {"matrix": "vector", "bias": "one bias"}
            yield (*((p.name, alone.get(str(named[p.name]), str(named[p.name]))) for p in needed), *optional)
            return
    fixed = ("rate", "often", "rows", "zero", "layers", "depth", "activation", "text")
    sizes = [p for p in needed if not str(named[p.name]).startswith(fixed)]
    rest = [(p.name, str(named[p.name])) for p in needed if p not in sizes]
    for pattern in PATTERNS:
        if len(pattern) <= len(sizes):
            more = [(p.name, "rate" if k == 0 and not rest else "small") for k, p in enumerate(sizes[len(pattern) :])]
            by_place = [(p.name, what) for p, what in zip(sizes, pattern, strict=False)]
            yield (*by_place, *more, *rest, *optional)
            if optional:
                yield (*by_place, *more, *rest, *[one for one in optional if one[1] in ("rate", "often")])
    if not needed:
        yield ()


def _left_over(needed: Sequence[str], named: Mapping[str, str | None]) -> dict[str, str]:
    """Return what the one argument is whose name does not tell, where two sizes are known: ``(H, N, K)``."""
    sizes = [named[name] for name in needed if named[name] in ("in", "hidden", "out")]
    unknown = [name for name in needed if named[name] is None]
    left = {"in", "hidden", "out"} - set(sizes)
    return {unknown[0]: left.pop()} if len(unknown) == 1 and len(sizes) == 2 and len(left) == 1 else {}


BY_ROLE = {Role.RATE: "rate", Role.EPOCHS: "often", Role.BATCH: "rows", Role.PENALTY: "zero"}


def _by_name(name: str) -> str | None:
    role, size, low = role_of(name), size_of(name), name.lower()
    if name in ("W", "weight", "weights") or low in ("b", "bias", "biases", "gamma", "beta"):
        return "matrix" if low.startswith("w") else "bias"
    if role in BY_ROLE:
        return BY_ROLE[role]
    if size in ("list", "hidden"):
        return _hidden(low) if size == "hidden" else "hidden list" if "hidden" in low else "list"
    if role is Role.TARGETS and (size is None or low in ("y", "t", "targets", "labels", "y_train")):
        return "y"
    if (role is Role.DATA and low in ("x", "x_train", "data", "inputs_data", "xs")) or low == "training_inputs":
        return "x"
    return size


def _hidden(name: str) -> str:
    """Return whether a name that means hidden units is their number, a list of numbers, or the number of layers."""
    if "layers" in name:
        return "layers" if name.startswith(("n_", "num", "no_")) else "hidden list"
    return "hidden list" if name.endswith(("s", "list")) and not re.search("nodes|units|neurons", name) else "hidden"


def _optional(p: inspect.Parameter, what: str | None, *, has_inputs: bool) -> str | None:
    """Return what an argument with a default gets: sizes and how often it trains are ours, all else is the user's."""
    if what in ("rate", "often", "rows"):
        return what if p.default is None or isinstance(p.default, int | float) else None
    if what == "hidden" and isinstance(p.default, list | tuple) and len(p.default) > 1:  # hidden_size=[784, 100, 10]
        return "hidden list" if has_inputs else "list"
    if what in ("in", "hidden", "out"):
        return what if (isinstance(p.default, int) and not isinstance(p.default, bool)) or p.default is None else None
    if what in ("list", "hidden list"):
        return what if isinstance(p.default, list | tuple) or p.default is None else None
    return None

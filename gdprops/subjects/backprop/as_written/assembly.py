"""A network put together from the building blocks beside it: ``Network([Dense(3, 4), Tanh(), Dense(4, 2)], MSE())``.

Where neither sizes nor the file itself say how an object is made, the names of what it takes do: ``layers`` gets two
layers with weights and an activation between them, ``loss`` a loss, ``optimizer`` one that takes plain steps. They go
to the constructor, to ``add(layer)``, to ``compile(optimizer, loss)``. This is a guess: right is what trains as it
should under one such network, and wrong only what is wrong under every one of them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from gdprops.subjects.backprop.as_written.building_blocks import (
    KNOWN_METHODS,
    Blocks,
    blocks_of,
    constructor_of,
    name_of,
)
from gdprops.subjects.backprop.as_written.calls import takes
from gdprops.subjects.backprop.as_written.constructors import MOMENTUM, Made, Sizes, usual_value
from gdprops.subjects.backprop.as_written.layer_object import Layer
from gdprops.subjects.backprop.as_written.roles import Role, plain, role_of
from gdprops.subjects.backprop.as_written.user_objects import is_defined
from gdprops.subjects.user_code.importing import LOADED

if TYPE_CHECKING:
    from gdprops.subjects.user_code.definitions import Definitions

LAYERS = re.compile(r"_*(layers?(_?list)?|components?|modules?|blocks?|sequence|network|model|structure|stack)", re.I)
LOSSES = re.compile(r"\w*(loss|cost|criterion|objective|error)\w*", re.I)
SLOPE = re.compile(r"\w*(prime|deriv|grad)\w*|d_?(loss|cost|error)", re.I)
OPTIMIZERS = re.compile(r"\w*(optimi[sz]er?|optim|opt|updater|solver)", re.I)
ADDS = re.compile(r"(add|append|push)(layer|module|component|block|endlayer)?")
SETS_UP = re.compile(r"(compile|use|set|build|setup|configure|prepare|finali[sz]e|init\w*)\w*")
MOST_ACTIVATIONS, MOST_LOSSES = 3, 3
STANDS_FOR = "# net stands for the functions"
"""How the docstring of a class begins that was made of functions: a script says it in place of a constructor."""
Part = tuple[Any, str]
"""What an argument gets: the value, and how it is written."""


@final
@dataclass(frozen=True, slots=True)
class Assembly:
    """One network: the class, its layers, its loss and its optimizer, and the methods that put it together."""

    found: type
    dense: Layer
    between: Layer | None
    behind: Layer | None
    loss: tuple[Any, ...] = field(default=(), repr=False)
    optimizer: type | None = None
    takes_data: bool = False
    takes_sizes: bool = True

    @property
    def takes_rate(self) -> bool:
        """Whether the optimizer, or a method that sets the network up, gets the learning rate."""
        methods = [self.found.__init__, *(getattr(self.found, n) for n in self._set_up())]  # type: ignore[misc] # of this very class
        asked = [p.name for one in methods for p in takes(one)]
        own = self._rated(Made(Sizes(1, 1, 1), None, None, 0.0)) if any(map(OPTIMIZERS.fullmatch, asked)) else {}
        return any(role_of(name) is Role.RATE for name in (*asked, *own))

    @property
    def told(self) -> str:
        """How the object is made, in words."""
        parts = [f"[{', '.join(name_of(one) for one in self._chain())}]"]
        parts += [self.loss[0].__name__] if self.loss else []
        parts += [self.optimizer.__name__] if self.optimizer is not None else []
        return f"put together as {', '.join(parts)}"

    def lent_by(self, modules: Container[str]) -> str:
        """Return the file of a building block that is in none of some modules; empty where all of them are."""
        used = [*(one.found for one in self._chain()), *self.loss, *([self.optimizer] if self.optimizer else [])]
        return next((inspect.getfile(one) for one in used if one.__module__ not in modules), "")

    def make(self, found: Any, made: Made) -> Any:
        """Return a new object."""
        del found
        layers = [one.constructor.make(one.found, part) for one, part in self._sized(made)]
        net = self.found(**{name: value for name, (value, _) in self._first(layers, made).items()})
        for layer in layers if self._adds() else ():
            getattr(net, self._adds())(layer)
        for name in self._set_up():
            given = self._given(getattr(self.found, name), layers, made)
            getattr(net, name)(**{key: value for key, (value, _) in given.items()})
        return net

    def lines(self, name: str, made: Made, data: Mapping[str, str]) -> list[str]:
        """Return the lines that make an object."""
        del data
        layers = [constructor_of(one).written(one.found.__name__, part, {}) for one, part in self._sized(made)]
        blocks = [one.found for one in self._chain()]
        values = [value for one in self._chain() for _, value in constructor_of(one).declared if callable(value)]
        used = [*blocks, *values, *self.loss, *([self.optimizer] if self.optimizer is not None else [])]
        lines = [*(_import_of(one) for one in dict.fromkeys(used)), f"layers = [{', '.join(layers)}]"]
        doc = self.found.__doc__ or ""
        lines.append(doc if doc.startswith(STANDS_FOR) else f"net = {name}({_texts(self._first([], made))})")
        if self._adds():
            lines += ["for layer in layers:", f"    net.{self._adds()}(layer)"]
        lines += [f"net.{one}({_texts(self._given(getattr(self.found, one), [], made))})" for one in self._set_up()]
        return lines

    def _chain(self) -> list[Layer]:
        return [one for one in (self.dense, self.between, self.dense, self.behind) if one is not None]

    def _sized(self, made: Made) -> list[tuple[Layer, Made]]:
        n_in, hidden, n_out = made.sizes
        sizes = [(n_in, hidden), (hidden, hidden), (hidden, n_out), (n_out, n_out)]
        chain = (self.dense, self.between, self.dense, self.behind)
        return [
            (one, Made(Sizes(a, b, b), None, None, made.rate))
            for one, (a, b) in zip(chain, sizes, strict=True)
            if one is not None
        ]

    def _first(self, layers: Sequence[Any], made: Made) -> dict[str, Part]:
        return self._given(self.found.__init__, layers, made)  # type: ignore[misc] # of this very class

    def _given(self, method: Any, layers: Sequence[Any], made: Made) -> dict[str, Part]:
        """Return what a method gets by name: the value, and how it is written."""
        found = dict[str, Part]()
        for p in takes(method):
            part = self._part(p, layers, made)
            if part is not None:
                found[p.name] = part
        return found

    def _part(self, p: inspect.Parameter, layers: Sequence[Any], made: Made) -> Part | None:
        is_named = isinstance(p.default, str)
        if LAYERS.fullmatch(p.name):
            return list(layers), "layers"
        if OPTIMIZERS.fullmatch(p.name) and not is_named and self.optimizer is not None:
            given = self._rated(made)
            written = ", ".join(f"{name}={value!r}" for name, value in given.items())
            return self.optimizer(**given), f"{self.optimizer.__name__}({written})"
        if LOSSES.fullmatch(p.name) and not is_named and self.loss:
            if len(self.loss) > 1:
                one = self.loss[SLOPE.fullmatch(p.name) is not None]
                return one, one.__name__
            begins = self.loss[0].__init__
            classes = {q.name: made.sizes.n_out for q in takes(begins) if role_of(q.name) is Role.CLASSES}
            told = ", ".join(f"{name}={count}" for name, count in classes.items())
            return self.loss[0](**classes), f"{self.loss[0].__name__}({told})"
        if role_of(p.name) is Role.RATE:
            return made.rate, repr(made.rate)
        value = usual_value(p.name, made) if p.default is p.empty else None
        return None if value is None else (value, repr(value))

    def _rated(self, made: Made) -> dict[str, Any]:
        """Return what the optimizer is made with."""
        asked = takes(self.optimizer.__init__) if self.optimizer is not None else []  # type: ignore[misc] # likewise
        asked = [p for p in asked if role_of(p.name) is Role.RATE or p.default is p.empty]
        return {p.name: usual_value(p.name, made) for p in asked}

    def _adds(self) -> str:
        """Return the method that adds one layer; empty where the constructor takes them all."""
        if any(LAYERS.fullmatch(p.name) for p in takes(self.found.__init__)):  # type: ignore[misc] # of this very class
            return ""
        return next((n for n in dir(self.found) if ADDS.fullmatch(plain(n)) and is_defined(self.found, n)), "")

    def _set_up(self) -> list[str]:
        """Return the methods that set a network up: what they need is a loss, an optimizer, a rate, or nothing."""
        found = list[str]()
        for name, value in _methods(self.found):
            if not SETS_UP.fullmatch(plain(name)) or plain(name) in KNOWN_METHODS or name.startswith("_"):
                continue
            asked = takes(value)
            known = [p for p in asked if _is_known(p.name)]
            if all(p in known or p.default is not p.empty for p in asked) and (known or not asked):
                found.append(name)
        return sorted(found, key=lambda n: not takes(getattr(self.found, n)))


def _is_known(name: str) -> bool:
    known = LOSSES.fullmatch(name) or OPTIMIZERS.fullmatch(name) or MOMENTUM.fullmatch(name.lower())
    return bool(known) or role_of(name) is Role.RATE


def _methods(found: type) -> list[tuple[str, Any]]:
    """Return the methods of a class in the order in which they are written."""
    written = [n for base in reversed(found.__mro__) for n in vars(base) if is_defined(found, n)]
    return [(n, getattr(found, n)) for n in dict.fromkeys(written) if inspect.isfunction(getattr(found, n, None))]


def _texts(given: Mapping[str, Part]) -> str:
    return ", ".join(f"{name}={text}" for name, (_, text) in given.items())


def _import_of(used: Any) -> str:
    name, module = used.__name__, used.__module__
    if not module.startswith(LOADED):
        return f"from {module} import {name}"
    return f"{name} = __import__('runpy').run_path({inspect.getfile(used)!r})[{name!r}]"


def asks_for_layers(found: type) -> bool:
    """Say whether a class is made of layers that somebody hands to it."""
    asked = [p.name for p in takes(found.__init__)]  # type: ignore[misc] # of this very class
    return any(map(LAYERS.fullmatch, asked)) or any(ADDS.fullmatch(plain(n)) for n, _ in _methods(found))


def assemblies(found: type, definitions: Definitions) -> Iterator[Assembly]:
    """Yield the networks of a class that can be put together, the simplest first; nothing if it asks for no layers."""
    if not asks_for_layers(found):
        return
    blocks = blocks_of(found, definitions)
    optimizer = next(iter(blocks.optimizers), None)
    for dense in blocks.weighted[:1]:
        for loss in blocks.losses[:MOST_LOSSES] or ((),):
            for between, behind in _ends(blocks):
                yield Assembly(found, dense, between, behind, loss, optimizer)


def _ends(blocks: Blocks) -> Iterator[tuple[Layer | None, Layer | None]]:
    """Yield the activation between the layers, and the one behind them."""
    for between in blocks.activations[:MOST_ACTIVATIONS]:
        yield between, None
        yield between, between
    yield None, None

"""The building blocks of a repository: layers with weights, activations, losses and optimizers, beside a network.

A class that loops over ``self.layers`` holds no weights until somebody hands layers to it. What it can be made of
stands in the same file, in what that file imports, or in the modules beside it. Only modules that do nothing but
define are imported for it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.calls import parameters, takes
from gdprops.subjects.backprop.as_written.class_reading import spread
from gdprops.subjects.backprop.as_written.constructors import Constructor
from gdprops.subjects.backprop.as_written.layer_classes import (
    BACKWARD,
    is_layer,
    is_loss,
    method_of,
    trains,
)
from gdprops.subjects.backprop.as_written.layer_object import WIDTH, Layer, asked_only, layer_of
from gdprops.subjects.backprop.as_written.probes import draws
from gdprops.subjects.backprop.as_written.roles import FORWARD, LOSS, TRAIN, UPDATE, plain
from gdprops.subjects.backprop.as_written.user_objects import is_defined
from gdprops.subjects.user_code.definitions import definitions_of
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.subjects.user_code.definitions import Definitions

MOST_MODULES = 30
WORTH = re.compile(r"^\s*(class \w|def (d_?[A-Z]|d_|\w*(prime|derivative|loss|grad)))", re.MULTILINE)
"""What a module must hold to be imported for its building blocks."""
FRAMEWORKS = re.compile(r"^\s*(import|from) (torch|tensorflow|keras|jax)\b", re.MULTILINE)
LOSS_NAMES = re.compile(r"\w*(loss|mse|mean_?squared|squared_?error|cross_?entropy|bce|error)\w*", re.IGNORECASE)
SLOPES = ("{}_prime", "{}_derivative", "d{}", "d_{}", "{}_grad", "{}_gradient", "{}_deriv", "{}Prime", "{}_backward")
PLAIN = ("sgd", "gd", "gradientdescent", "stochasticgradientdescent", "optimizersgd", "vanillasgd", "sgdoptimizer")
"""The plain names of optimizers that take plain steps."""


@final
@dataclass(frozen=True, slots=True)
class Blocks:
    """What a network can be made of. ``losses`` are classes, or pairs of functions: the loss and its slope."""

    weighted: tuple[Layer, ...]
    activations: tuple[Layer, ...]
    losses: tuple[tuple[Any, ...], ...]
    optimizers: tuple[type, ...]


def blocks_of(found: type, definitions: Definitions) -> Blocks:
    """Return the building blocks for a class; the helper modules of its file are present."""
    names = dict[str, Any]()
    for module in _modules(definitions):
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) == module.__name__ and value is not found:
                names.setdefault(name, value)
    classes = [v for v in names.values() if isinstance(v, type) and not inspect.isabstract(v)]
    inherited = {base for value in classes for base in value.__mro__[1:]}
    classes = [value for value in classes if value not in inherited]
    losses = sorted(_losses(classes, names), key=_squares_first)
    slopes = sorted(_pairs(names, 1), key=lambda pair: _smooth_first(pair[0].__name__))
    layers = [layer for value in classes if (value,) not in losses for layer in _layers(value, slopes)]
    return Blocks(
        tuple(sorted((one for one in layers if _has_weights(one)), key=lambda one: not is_layer(one.found))),
        tuple(sorted((one for one in layers if not _has_weights(one)), key=lambda one: _smooth_first(name_of(one)))),
        tuple(losses),
        tuple(value for value in classes if plain(value.__name__) in PLAIN),
    )


def _layers(found: type, slopes: list[tuple[Any, ...]]) -> Iterator[Layer]:
    """Yield a class as a layer, with or without weights; what takes an activation and its slope, with one such pair."""
    if not method_of(found, FORWARD) or trains(found):
        return
    needed = [p.name for p in takes(found.__init__) if p.default is p.empty]  # type: ignore[misc] # of this very class
    by_hand = [dict(zip(needed, pair, strict=True)) for pair in slopes[:2]] if len(needed) == 2 else []
    for declared in (*by_hand, {}):
        with quiet(), np.errstate(all="ignore"):
            layer = (layer_of(found, declared) if is_layer(found) else None) or asked_only(found, declared)
        if layer is not None and (_is_wide(layer) if _has_weights(layer) else _bends(layer)):
            yield layer
            return


def _has_weights(layer: Layer) -> bool:
    return bool(layer.leaves(WIDTH.n_in, WIDTH.n_out))


def _is_wide(layer: Layer) -> bool:
    """Say whether a layer goes from one number of units to another."""
    return any(WIDTH.n_out in leaf.shape and WIDTH.n_in in leaf.shape for leaf in layer.leaves(*WIDTH[::2]))


def _bends(layer: Layer) -> bool:
    """Say whether a layer without weights is an activation: entry by entry, no identity, and no dropout."""
    x = 0.5 * spread((1 if layer.form.single else 4, WIDTH.n_in), 1)
    try:
        with quiet(), np.errstate(all="ignore"):
            out = [np.asarray(layer.output(layer.made(*WIDTH[:2]), layer_x)) for layer_x in (x, -x, 2 * x)]
            drawn = draws(lambda: layer.output(layer.made(*WIDTH[:2]), x))
    except Exception:  # the user's code, called as it may not be meant
        return False
    is_linear = np.allclose(out[2], 2 * out[0]) and np.allclose(out[0], -out[1])
    return out[0].size == x.size and not drawn and not is_linear


def constructor_of(layer: Layer) -> Constructor:
    """Return how a building block is made: by the usual arguments."""
    assert isinstance(layer.constructor, Constructor), "layers with other makings are no building blocks"
    return layer.constructor


def name_of(layer: Layer) -> str:
    """Return what a layer is called: its class, and the functions that it is made with."""
    held = [value.__name__ for _, value in constructor_of(layer).declared if callable(value)]
    return f"{layer.found.__name__}({', '.join(held)})" if held else layer.found.__name__


def _smooth_first(name: str) -> int:
    low = name.lower()
    return next((k for k, known in enumerate(("tanh", "sigmoid", "relu")) if known in low), 9)


def _squares_first(loss: tuple[Any, ...]) -> int:
    low = plain(loss[0].__name__)
    return 0 if "mse" in low or "square" in low else 1


def _losses(classes: list[type], names: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for value in classes:
        methods = [getattr(value, n) for n in dir(value) if is_defined(value, n)]
        takes_two = any(len(_data(one)) == 2 for one in methods if inspect.isfunction(one))
        if is_loss(value) or (LOSS_NAMES.fullmatch(value.__name__) and takes_two and not is_layer(value)):
            yield (value,)
    yield from (pair for pair in _pairs(names, 2) if LOSS_NAMES.fullmatch(pair[0].__name__))


def _data(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in parameters(function) or [] if p.name != "self"]


def _pairs(names: dict[str, Any], count: int) -> Iterator[tuple[Any, ...]]:
    """Yield the functions of so many arguments that stand beside their slope: ``tanh`` and ``tanh_prime``."""
    for name, value in names.items():
        slope = next((names[form.format(name)] for form in SLOPES if form.format(name) in names), None)
        if inspect.isfunction(value) and inspect.isfunction(slope) and len(parameters(value) or []) == count:
            yield value, slope


def _modules(definitions: Definitions) -> list[ModuleType]:
    """Return the modules in which building blocks may stand: the file's own, what it imports, those beside it."""
    found = [definitions.module, *definitions.helpers.modules]
    known = {getattr(one, "__file__", None) for one in found}
    for path in _beside(definitions)[:MOST_MODULES]:
        name = definitions.helpers.name_of(path)
        if str(path) in known or not name or not _only_defines(path):
            continue
        try:
            with quiet():
                found.append(sys.modules.get(name) or importlib.import_module(name))
        except Exception:  # it imports from a folder of its own
            found.append(definitions_of(path).module)
    return found


def _beside(definitions: Definitions) -> list[Path]:
    """Return the files in the folder of a file, in the folders below it, and in those beside it in its package."""
    folder = definitions.source.path.resolve().parent
    above = [] if definitions.helpers.root in (None, folder) else [folder.parent]
    places = [folder, *_below(folder), *(inner for one in above for inner in (one, *_below(one)))]
    found = (path for place in places for path in sorted(place.glob("*.py")))
    return list(dict.fromkeys(path for path in found if not path.name.startswith("test")))


def _below(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and one.name.isidentifier())


def _only_defines(path: Path) -> bool:
    """Say whether a file does nothing but define something that may be a building block."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return False
    kept = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign)
    return (
        WORTH.search(text) is not None
        and not FRAMEWORKS.search(text)
        and all(
            isinstance(node, kept) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
            for node in tree.body
            if not (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test))
        )
    )


KNOWN_METHODS = frozenset((*FORWARD, *TRAIN, *LOSS, *UPDATE, *BACKWARD))
"""The plain names of methods that use a network, and do not put it together."""

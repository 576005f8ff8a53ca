"""Random networks in volume, from a plain NumPy generator: thousands of them, where Hypothesis would draw hundreds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from gdprops.model.arrays import Array
from gdprops.model.network import Batch, Layer, Network, Point
from gdprops.numerics.network_pass import outputs

Rng = np.random.Generator
Values = Callable[[Rng, tuple[int, ...]], Array]

EXACT = ("identity", "relu", "leaky-relu", "square")
SMOOTH = ("identity", "tanh", "sigmoid")
ALL = (*EXACT, "tanh", "sigmoid")
LOSSES = ("half-sse", "mse", "bce", "cross-entropy")


def multiples(bits: int, magnitude: float) -> Values:
    """Return a source of multiples of 2^-bits up to a magnitude."""
    most = int(magnitude * 2**bits)
    return lambda rng, shape: rng.integers(-most, most + 1, shape) / 2.0**bits


def scaled_multiples(spread: int) -> Values:
    """Return a source of small integers, each array times a power of two of its own: granularities that differ."""
    return lambda rng, shape: rng.integers(-3, 4, shape) * 2.0 ** int(rng.integers(-spread, spread + 1))


def normals(scale: float = 1.0) -> Values:
    """Return a source of numbers with all their digits."""
    return lambda rng, shape: rng.standard_normal(shape) * scale


def cancelling(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Return numbers that nearly cancel: neighbours are opposite exactly, or up to one part in a million or more."""
    values = np.asarray(rng.standard_normal(shape))
    if values.ndim and values.shape[-1] > 1:
        values[..., 1] = -values[..., 0] * (1 + rng.choice([0.0, 1e-6, 1e-12]))
    if values.ndim > 1 and values.shape[0] > 1 and rng.integers(2):
        values[1] = -values[0]
    return values


@final
@dataclass(frozen=True, slots=True)
class Recipe:
    """What a random network may contain. ``near_fit``: half the residuals are cancellations."""

    values: Values
    activations: tuple[str, ...] = EXACT
    losses: tuple[str, ...] = ("half-sse",)
    least_depth: int = 1
    depth: int = 4
    width: int = 5
    rows: int = 4
    precision: int = 53
    near_fit: bool = False


def points(recipe: Recipe, count: int, seed: int) -> Iterator[Point]:
    """Yield random points: with and without biases, residual, tied, scaled, in towers, frozen, with unused tensors."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield random_point(rng, recipe)


@final
class _Builder:
    """Tensors by name, as they are added."""

    def __init__(self, rng: Rng, recipe: Recipe) -> None:
        self.rng, self.recipe = rng, recipe
        self.names: list[str] = []
        self.tensors: list[Array] = []

    def happens(self, one_in: int) -> bool:
        return not self.rng.integers(one_in)

    def size(self, most: int, least: int = 1) -> int:
        return int(self.rng.integers(least, most + 1))

    def numbers(self, shape: tuple[int, ...]) -> Array:
        dtype = np.float64 if self.recipe.precision == 53 else np.float32
        return np.asarray(self.recipe.values(self.rng, shape)).astype(dtype).reshape(shape)

    def add(self, name: str, shape: tuple[int, ...]) -> int:
        self.names.append(name)
        self.tensors.append(self.numbers(shape))
        return len(self.names) - 1

    def tower(self, prefix: str, inputs: int, outputs: int | None) -> tuple[tuple[Layer, ...], int]:
        width, layers = inputs, list[Layer]()
        depth = self.size(self.recipe.depth, self.recipe.least_depth)
        for k in range(1, depth + 1):
            layers.append(self.layer(f"{prefix}{k}", width, outputs if k == depth else None, layers))
            if k == depth:
                layers[-1] = Layer(layers[-1].weight, layers[-1].bias, "identity", layers[-1].residual)
            width = self.tensors[layers[-1].weight].shape[0]
        return tuple(layers), width

    def layer(self, number: str, inputs: int, outputs: int | None, above: list[Layer]) -> Layer:
        square = bool(above) and self.tensors[above[-1].weight].shape == (inputs, inputs)
        tied = square and outputs is None and self.happens(3)
        out = inputs if tied else outputs or self.size(self.recipe.width)
        weight = above[-1].weight if tied else self.add(f"W{number}", (out, inputs))
        bias = self.add(f"b{number}", (out,)) if self.happens(2) else None
        activation = str(self.rng.choice(self.recipe.activations))
        return Layer(weight, bias, activation, residual=out == inputs and self.happens(4))


def random_point(rng: Rng, recipe: Recipe) -> Point:
    """Return one random point."""
    build, loss = _Builder(rng, recipe), str(rng.choice(recipe.losses))
    inputs, rows = build.size(recipe.width), build.size(recipe.rows)
    towers, columns = _towers(build, loss, inputs)
    scale = build.add("scale", ()) if build.happens(5) else None
    if build.happens(8):
        build.add("unused", (2,))
    trainable = (True, *(not build.happens(8) for _ in build.names[1:]))[:: rng.choice([1, -1])]
    network = Network(towers, tuple(build.names), trainable, loss, scale)
    X = build.numbers((rows, inputs))
    point = Point(network, tuple(build.tensors), Batch(X, np.zeros((rows, columns), X.dtype)))
    return point.on(Batch(X, _targets(build, point)))


def _towers(build: _Builder, loss: str, inputs: int) -> tuple[tuple[tuple[Layer, ...], ...], int]:
    if loss in ("half-sse", "mse") and build.happens(5):
        first, columns = build.tower("A", inputs, None)
        second, _ = build.tower("B", inputs, columns)
        return (first, second), 2 * columns
    layers, columns = build.tower("", inputs, build.size(4, 2) if loss == "cross-entropy" else None)
    return (layers,), columns


def _targets(build: _Builder, point: Point) -> Array:
    rng, shape, dtype = build.rng, point.batch.targets.shape, point.batch.targets.dtype
    if point.network.loss == "cross-entropy":
        return np.asarray(rng.integers(0, shape[1], shape[0]))
    if point.network.loss == "bce":
        return np.asarray(rng.integers(0, 2, shape), dtype)
    if build.recipe.near_fit and rng.integers(2):
        predicted = np.concatenate(outputs(point.network, point.tensors, point.batch.inputs), axis=1)
        near = predicted * (1 + rng.standard_normal(shape) * rng.choice([1e-3, 1e-6]))
        return np.asarray(near).astype(dtype)
    return build.numbers(shape)

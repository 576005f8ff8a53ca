"""Systems that move wrongly, one block after the other or all at once: the sequential chapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.faults.fault import Fault
from gdprops.numerics import updates
from gdprops.numerics.flat import flat_weights
from gdprops.numerics.numpy_system import NumpySystem

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point


class SweepLooksAfterStepping(NumpySystem):
    """Off by one: a block's gradient is taken where the whole step would have led."""

    def sweep(self, point: Point, blocks: Sequence[Block], rate: Any) -> Array:
        look, v = self.look(point), flat_weights(point)
        for block in map(list, blocks):
            after = v - rate * look(v)
            v[block] = v[block] - rate * look(after)[block]
        return v


class SweepNeverLooksAgain(NumpySystem):
    """A sweep that uses the gradient of its start for every block."""

    def sweep(self, point: Point, blocks: Sequence[Block], rate: Any) -> Array:
        v = flat_weights(point)
        g = self.look(point)(v)
        for block in map(list, blocks):
            v[block] = v[block] - rate * g[block]
        return v


class SweepWithHalfTheRate(NumpySystem):
    """A sweep that damps itself."""

    def sweep(self, point: Point, blocks: Sequence[Block], rate: Any) -> Array:
        return super().sweep(point, blocks, rate / 2)


class SweepIgnoresTheOrder(NumpySystem):
    """A sweep that always goes front to back."""

    def sweep(self, point: Point, blocks: Sequence[Block], rate: Any) -> Array:
        return super().sweep(point, sorted(blocks), rate)


class SweepStopsEarly(NumpySystem):
    """A sweep that leaves out its last block."""

    def sweep(self, point: Point, blocks: Sequence[Block], rate: Any) -> Array:
        return super().sweep(point, blocks[:-1], rate)


class SweepGoesTwice(NumpySystem):
    """A sweep that goes there and back: symmetric Gauss-Seidel."""

    def sweep(self, point: Point, blocks: Sequence[Block], rate: Any) -> Array:
        return super().sweep(point, [*blocks, *reversed(blocks)], rate)


class StepLooksOncePerWeight(NumpySystem):
    """A simultaneous step that evaluates the whole gradient again for every weight."""

    def step(self, point: Point, rate: Any) -> Array:
        look, w, g = self.look(point), flat_weights(point), flat_weights(point) * 0
        for k in range(w.size):
            g[k] = look(w)[k]
        return np.asarray(w - rate * g)


class StepIsASweep(NumpySystem):
    """A step that moves every weight before the next one's gradient is taken."""

    def step(self, point: Point, rate: Any) -> Array:
        w = flat_weights(point)
        return updates.sweep(self.look(point), w, [(k,) for k in range(w.size)], rate)


class LayerwiseRatesSwept(NumpySystem):
    """Where every layer has a rate of its own, layer after layer looks and moves."""

    def step(self, point: Point, rate: Any) -> Array:
        w = flat_weights(point)
        rates = np.broadcast_to(rate, w.shape)
        layers = [tuple(np.flatnonzero(rates == eta).tolist()) for eta in dict.fromkeys(rates.tolist())]
        return updates.sweep(self.look(point), w, layers, rate)


class LayerwiseRatesAveraged(NumpySystem):
    """Where every layer has a rate of its own, all move at the mean."""

    def step(self, point: Point, rate: Any) -> Array:
        return super().step(point, np.mean(rate))


FAULTS = (
    Fault(
        "sweep-looks-after-stepping",
        "A block's gradient is taken where the whole step would have led.",
        system=SweepLooksAfterStepping,
    ),
    Fault(
        "sweep-never-looks-again",
        "A sweep uses the gradient of its start for every block.",
        system=SweepNeverLooksAgain,
    ),
    Fault(
        "sweep-with-half-the-rate",
        "A sweep moves half as far as it should.",
        system=SweepWithHalfTheRate,
    ),
    Fault(
        "sweep-ignores-the-order",
        "A sweep always goes front to back.",
        system=SweepIgnoresTheOrder,
    ),
    Fault(
        "sweep-stops-early",
        "A sweep leaves its last block where it was.",
        system=SweepStopsEarly,
    ),
    Fault(
        "sweep-goes-twice",
        "A sweep goes there and back.",
        system=SweepGoesTwice,
    ),
    Fault(
        "step-looks-once-per-weight",
        "A simultaneous step evaluates the whole gradient again for every weight.",
        system=StepLooksOncePerWeight,
    ),
    Fault(
        "step-is-a-sweep",
        "A step moves every weight before the next one's gradient is taken.",
        source="VikParuchuri/zero_to_gpt#12, LxMLS/lxmls-guide#115",
        system=StepIsASweep,
    ),
    Fault(
        "layerwise-rates-swept",
        "Where every layer has a rate of its own, layer after layer looks and moves.",
        system=LayerwiseRatesSwept,
    ),
    Fault(
        "layerwise-rates-averaged",
        "Where every layer has a rate of its own, all layers move at the mean rate.",
        system=LayerwiseRatesAveraged,
    ),
)

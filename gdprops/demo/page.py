"""Print what `gdprops demo` found: each of the three programs, its numbers, and its answer in a sentence."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from gdprops.demo.in_numpy import InNumpy
from gdprops.demo.programs import RATE, STEPS, all_gradients, furthest, gradients_of_a_sweep, large_rate, ten_steps
from gdprops.demo.question_network import HIDDEN, INPUTS, NAMES, ROWS, Framework
from gdprops.demo.sweep_of_20000_weights import WIDE, weight_by_weight, wide_weights

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.arrays import Array


def print_demo(console: Console, frameworks: Sequence[Framework]) -> None:
    """Print the question, the three programs on every framework, and how far the frameworks agree."""
    console.print(Text("Does gradient descent train layer by layer?", style="bold"))
    console.print(
        Text(
            f"A network {INPUTS} → {HIDDEN} ReLU → 1 sigmoid, binary cross-entropy, {ROWS} rows, float64. "
            "A layer-by-layer trainer moves one layer, computes the gradient again, and moves the next layer."
        )
    )
    finals = []
    for framework in frameworks:
        console.print(Text(f"\n{framework.name}", style="bold underline"))
        if (held := framework.rate_in_force(RATE)) != RATE:
            console.print(
                Text(f"It stores learning rates in float32: {RATE} becomes {held!r}, which the comparisons use.")
            )
        finals.append(_print_steps(console, framework))
        _print_gradients(console, framework)
        _print_rates(console, framework)
    for framework, final in zip(frameworks[1:], finals[1:], strict=True):
        difference = furthest(finals[0], final)
        console.print(
            Text(f"\nAfter {STEPS} steps {framework.name} and {frameworks[0].name} are {difference:.0e} apart.")
        )
    _print_sweep(console)


def _print_sweep(console: Console) -> None:
    """Print the cost of one step and of a sweep over 20,000 weights, and how far apart their results are."""
    weights = wide_weights()
    began = time.perf_counter()
    stepped = InNumpy().step(weights, RATE)
    between = time.perf_counter()
    swept, looks = weight_by_weight(weights, RATE)
    ended = time.perf_counter()
    apart, way = _distance(swept, stepped), _distance(stepped, weights)
    _heading(console, f"The same network with {WIDE} hidden units: {looks:,} weights, one after the other (NumPy)")
    _line(console, f"one simultaneous step   1 gradient evaluation, seconds {between - began:.4f}")
    _line(console, f"weight by weight        {looks:,} gradient evaluations, seconds {ended - between:.2f}")
    _line(console, f"they end apart          |v − w'| / |w' − w| = {apart / way:.3f}")


def _distance(a: Sequence[Array], b: Sequence[Array]) -> float:
    return math.sqrt(sum(_norm(x - y) ** 2 for x, y in zip(a, b, strict=True)))


def _print_steps(console: Console, framework: Framework) -> list[Array]:
    done = ten_steps(framework)
    _heading(console, f"1. {STEPS} steps at a rate of {RATE}")
    _line(console, f"tensors moved, step by step   {' '.join(map(str, done.moved))} (of {len(NAMES)})")
    _line(console, f"furthest from w − ηg          {done.off:.1e}")
    _line(console, f"loss                          {done.losses[0]:.6f} → {done.losses[-1]:.6f}")
    _line(console, f"layer by layer                {done.swept_losses[0]:.6f} → {done.swept_losses[-1]:.6f}")
    if done.simultaneous:
        _answer(
            console,
            f"No: every step moves all {len(NAMES)} tensors of both layers at once, each by −η times its gradient at "
            f"the weights before the step, and the loss falls every time. A layer-by-layer trainer needs {2 * STEPS} "
            f"gradient evaluations instead of {STEPS} and ends {done.apart:.0e} away.",
        )
    else:
        _answer(console, f"Yes: a step is off by {done.off:.1e} from −η times the gradient before it, in both layers.")
    return done.weights


def _print_gradients(console: Console, framework: Framework) -> None:
    found, swept = all_gradients(framework), gradients_of_a_sweep(framework)
    _heading(console, "2. One backward pass: the gradients, and those that a sweep at rate 1 uses")
    for name, g, other in zip(NAMES, found, swept, strict=True):
        _line(console, f"{name:<15} {g.shape!s:<8} |g| {_norm(g):.6f}   layer by layer {_norm(other):.6f}")
    _answer(
        console,
        f"No: after one backward pass the gradients of all {len(found)} trainable tensors exist, all of them at the "
        "same weights. A layer-by-layer trainer takes those of layer 2 from another pass, after layer 1 has moved, and "
        "gets other numbers.",
    )


def _print_rates(console: Console, framework: Framework) -> None:
    seen = large_rate(framework)
    _heading(console, "3. One step at a rate of 1, against one at 0.01")
    for name, (small, large), (swept_small, swept_large) in zip(NAMES, seen.sizes, seen.swept, strict=True):
        times, swept = large / small, swept_large / swept_small
        _line(console, f"{name:<15} |Δw| {small:.6f} → {large:.6f} ×{times:.4f}   layer by layer ×{swept:.4f}")
    if seen.proportional:
        _answer(
            console,
            "No: every tensor of both layers moves a hundred times as far in one step (the ratio of the rates, to "
            f"{seen.ratio_off:.0e} of the displacement; at the dyadic rates 1 and 1/64 it ends at exactly w − ηg). A "
            "large rate does not turn one step into several. A layer-by-layer trainer moves layer 2 by another factor.",
        )
    else:
        _answer(
            console, f"Yes: the displacements miss the ratio of the rates by {seen.ratio_off:.0e} of the displacement."
        )


def _norm(g: Array) -> float:
    return math.sqrt(float((g * g).sum()))


def _heading(console: Console, text: str) -> None:
    console.print(Text(f"\n{text}", style="bold"))


def _line(console: Console, text: str) -> None:
    console.print(Padding(Text(text), (0, 0, 0, 2)))


def _answer(console: Console, text: str) -> None:
    console.print(Text(text, style="green"))

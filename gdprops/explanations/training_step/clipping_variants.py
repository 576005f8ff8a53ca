"""Hypotheses about gradient clipping: omitted, undeclared, by tensor, by layer, by value.

The bound is the declared one or, with one fitted constant, a bound that a failing example shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.declared_clipping import beside_declared
from gdprops.explanations.training_step.explanation_wording import number
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights, on_steps
from gdprops.explanations.training_step.sweeps import halves, layers, tensors, weights_then_biases
from gdprops.numerics.decisions import CLIP_GUARD, LARGEST_CLIP_GUARD, NEARLY_PARALLEL
from gdprops.numerics.norm import global_norm

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Grads, Watched
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.model.arrays import Array

Blocks = Callable[["Watched"], Sequence[Sequence[int]]]
CLIPPING = "step.clipping"


def whole(step: Watched) -> list[list[int]]:
    """Return all parameters as one block."""
    return [list(range(len(step.names)))]


def _groups(step: Watched) -> Sequence[Sequence[int]]:
    """Return the parameter groups, where there are several."""
    groups = step.run.groups
    return groups if len(groups) > 1 else ()


WAYS: tuple[tuple[str, Blocks], ...] = (
    ("all gradients are clipped to the global norm", whole),
    ("each parameter's gradient is clipped by itself, to the norm", tensors),
    ("each layer's gradient is clipped by itself, to the norm", layers),
    ("the gradients of all but the biases are clipped, to the norm", lambda step: weights_then_biases(step)[:1]),
    ("the gradients of each half of the network are clipped by themselves, to the norm", halves),
    (
        "the gradients of the biases are clipped by themselves, and those of all others, to the norm",
        weights_then_biases,
    ),
    ("the gradients of each parameter group are clipped by themselves, to the norm", _groups),
)
GUARDS = (CLIP_GUARD, 0.0)


def clippings(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses about clipping: omitted, or done in one of several ways.

    The bound is the declared norm or one that is fitted to an example.
    """
    found = [Hypothesis("the gradient is not clipped", on_steps(_unclipped), clause=CLIPPING, threads=True)]
    first = failures[0].first.step
    declared = first.run.clip_norm
    for text, blocks in WAYS:
        if not blocks(first):
            continue
        norms: list[tuple[float, int, tuple[float, ...]]] = [(declared, 0, GUARDS)] if declared is not None else []
        norms += [(c, 1, GUARDS) for c in _fitted(failures, blocks)]
        norms += [(c, 1, (guard,)) for c, guard in _fitted_with_guard(failures, blocks)]
        for most, constants, guards in norms:
            told = f"{text} {number(most)}{beside_declared('clip_norm', most, declared, whole=blocks is whole)}"
            found += [
                Hypothesis(told, on_steps(_clipped(blocks, most, guard)), constants, CLIPPING, threads=True)
                for guard in guards
            ]
    found += [] if declared is None else [*_always_scaled(declared), *_by_the_sum_of_norms(declared)]
    return [
        *found,
        *_while_scaled(failures),
        *(_by_value(c, first.run.clip_value) for c in _fitted_values(failures)),
        *NORMALIZED,
    ]


def _while_scaled(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "clipped while still scaled", with the scale that backward was seen starting with."""
    declared = failures[0].first.step.run.clip_norm
    scales = {k for f in failures for moment in f.wrong if (k := _scale(moment)) not in (None, 0.0, 1.0)}
    if declared is None or not scales:
        return []
    told = f"by {number(scales.pop())} " if len(scales) == 1 else ""
    groups = _groups(failures[0].first.step)
    ways: list[tuple[str, Blocks]] = [("they are", whole)]
    for k in range(len(groups)):
        ways.append((f"those of parameter group {k + 1} (of {len(groups)}) are", lambda step, k=k: [_groups(step)[k]]))  # type: ignore[misc] # the k of now
    return [
        Hypothesis(
            f"the gradients are clipped to the norm {number(declared)} while {which} still scaled {told}(the scale is "
            "divided out after the clipping: it must be divided out before)",
            _scaled_while_clipped(blocks, declared),
            clause=CLIPPING,
            threads=True,
        )
        for which, blocks in ways
    ]


def _scaled_while_clipped(blocks: Blocks, most: float) -> Callable[[Moment], Weights | None]:
    """Return U of gradients of which some are scaled while all are clipped."""

    def rival(moment: Moment) -> Weights | None:
        k, step = _scale(moment), moment.step
        if k is None or k == 0:
            return None
        held = {i for block in blocks(step) for i in block}
        factors = [k if i in held else 1.0 for i in range(len(step.names))]
        g = step.run.gradients(step.before, step.batch, clipped=False)
        large = clipped([None if x is None else c * x for c, x in zip(factors, g, strict=True)], most)
        return step.update([None if x is None else x / c for c, x in zip(factors, large, strict=True)])

    return rival


def _scale(moment: Moment) -> float | None:
    """Return what all losses of a step are multiplied by before backward, None where it is not one number."""
    found = {call.factor for call in moment.seen.losses} if moment.seen is not None else set()
    return found.pop() if len(found) == 1 else None


def _unclipped(step: Watched) -> Weights:
    return step.update(step.run.gradients(step.before, step.batch, clipped=False))


def _clipped(blocks: Blocks, most: float, guard: float) -> Callable[[Watched], Weights]:
    return _scaled_by_norms(blocks, guard, lambda length: min(1.0, most / length))


def _scaled_by_norms(blocks: Blocks, guard: float, factor: Callable[[float], float]) -> Callable[[Watched], Weights]:
    """Return U of gradients that are multiplied, block by block, by a factor of their guarded norm."""

    def rival(step: Watched) -> Weights:
        g = list(step.run.gradients(step.before, step.batch, clipped=False))
        for block in blocks(step):
            c = factor(max(global_norm([g[i] for i in block]) + guard, float(np.finfo(float).tiny)))
            for i in block:
                g[i] = None if (held := g[i]) is None else c * held
        return step.update(g)

    return rival


def _fitted(failures: Sequence[Failure], blocks: Blocks) -> list[float]:
    """Return the norms to which blocks of the first wrong steps may have been clipped.

    Where the displacement is k < 1 times the unclipped one, that norm is k times the norm of the block's gradient.
    """
    found: list[float] = []
    for failure in failures:
        step = failure.first.step
        g = step.run.gradients(step.before, step.batch, clipped=False)
        plain, still = step.update(g), step.update([None if x is None else np.zeros_like(x) for x in g])
        for block in filter(None, blocks(step)):
            k = _parallel([step.after[i] for i in block], [plain[i] for i in block], [still[i] for i in block])
            if k is not None and 0 < k < 1 - NEARLY_PARALLEL:
                length = global_norm([g[i] for i in block])
                found += [k * (length + guard) for guard in GUARDS]
    return list({f"{c:.10g}": c for c in found}.values())[:6]  # a guard of 1e-6 tells small bounds apart too


def _fitted_with_guard(failures: Sequence[Failure], blocks: Blocks) -> list[tuple[float, float]]:
    """Return C and the guard e of C / (|g| + e), from two norms: a clipped |g| of one example says one of them only."""
    seen: list[tuple[float, float]] = []
    for failure in failures:
        step = failure.first.step
        g = step.run.gradients(step.before, step.batch, clipped=False)
        plain, still = step.update(g), step.update([None if x is None else np.zeros_like(x) for x in g])
        for block in filter(None, blocks(step)):
            k = _parallel([step.after[i] for i in block], [plain[i] for i in block], [still[i] for i in block])
            if k is not None and 0 < k < 1 - NEARLY_PARALLEL:
                seen.append((global_norm([g[i] for i in block]), k))
    if len(seen) < 2:
        return []
    (a, ka), (b, kb) = min(seen), max(seen)
    slope = (1 / kb - 1 / ka) / (b - a) if b > a else 0.0
    if slope <= 0:
        return []
    guard = 1 / ka / slope - a
    between = 0 < guard < LARGEST_CLIP_GUARD and not any(abs(guard - known) < CLIP_GUARD / 1e3 for known in GUARDS)
    return [(1 / slope, guard)] if between else []


def _parallel(after: Sequence[Array], plain: Sequence[Array], start: Sequence[Array]) -> float | None:
    seen, wanted = (
        np.concatenate([(w - b).ravel() for w, b in zip(weights, start, strict=True)]) for weights in (after, plain)
    )
    length = float(wanted @ wanted)
    k = float(seen @ wanted) / length if length else 0.0
    off = float(np.abs(seen - k * wanted).max(initial=0.0))
    return k if length and off <= NEARLY_PARALLEL * float(np.abs(wanted).max()) else None


def _fitted_values(failures: Sequence[Failure]) -> list[float]:
    """Return the values to which the gradient's entries may have been clipped: the largest that moved a wrong step.

    The bound may lie above all entries of the first example, but then not above those of all examples.
    """
    found = [value for failure in failures for value in _largest_entry(failure.first.step)]
    return list(dict.fromkeys([found[0], max(found)])) if found else []


def _largest_entry(step: Watched) -> list[float]:
    """Return the largest entry of the gradient that moved a step, in a list; none where there is no such number.

    The entry is computed from the displacement, which holds for rules that are affine in each entry (plain descent).
    """
    g = step.run.gradients(step.before, step.batch, clipped=False)
    still = step.update([None if x is None else np.zeros_like(x) for x in g])
    unit = step.update([None if x is None else np.ones_like(x) for x in g])
    found = [
        float(np.abs((a - s) / (u - s)).max())
        for a, s, u, x in zip(step.after, still, unit, g, strict=True)
        if x is not None and x.size and (u != s).all()
    ]
    return [max(found)] if found else []


def _by_value(most: float, declared: float | None) -> Hypothesis:
    def rival(step: Watched) -> Weights:
        g = step.run.gradients(step.before, step.batch, clipped=False)
        return step.update([None if x is None else np.clip(x, -most, most) for x in g])

    return Hypothesis(
        f"every entry of the gradient is clipped to the value {number(most)}"
        f"{beside_declared('clip_value', most, declared)}",
        on_steps(rival),
        1,
        CLIPPING,
        threads=True,
    )


def _normalized(blocks: Blocks, guard: float, to: float = 1.0) -> Callable[[Watched], Weights]:
    return _scaled_by_norms(blocks, guard, lambda length: to / length)


WRITTEN_GUARDS = (0.0, 1e-12, 1e-10, 1e-8, 1e-6)
"""The guards of such divisions are those that people write."""
NORMALIZED = tuple(
    Hypothesis(text, on_steps(_normalized(blocks, guard)), clause=CLIPPING, broad=1)
    for text, blocks in (
        ("the gradient is divided by its own norm", whole),
        ("each parameter's gradient is divided by its own norm", tensors),
    )
    for guard in WRITTEN_GUARDS
)


def _always_scaled(most: float) -> list[Hypothesis]:
    """Return the hypotheses that gradients are brought to the declared norm even where they are shorter."""
    text = f"the gradient is always scaled to the norm {number(most)}, also where it is shorter"
    return [Hypothesis(text, on_steps(_normalized(whole, g, most)), clause=CLIPPING, broad=1) for g in WRITTEN_GUARDS]


def _by_the_sum_of_norms(most: float) -> list[Hypothesis]:
    """Return the hypotheses that the tensors' norms are added where their squares should be."""

    def rival(guard: float) -> Callable[[Watched], Weights]:
        def clipped_so(step: Watched) -> Weights:
            g = step.run.gradients(step.before, step.batch, clipped=False)
            total = sum(global_norm([x]) for x in g if x is not None) + guard
            c = min(1.0, most / total) if total else 1.0
            return step.update([None if x is None else c * x for x in g])

        return clipped_so

    text = (
        f"all gradients are clipped to the norm {number(most)} by the sum of the tensors' norms, and not by the root "
        "of the sum of their squares"
    )
    return [Hypothesis(text, on_steps(rival(g)), clause=CLIPPING) for g in GUARDS]


def clipped(gradients: Grads, most: float | None) -> Grads:
    """Return the gradients clipped to the global norm ``most``; unchanged if ``most`` is None."""
    if most is None:
        return gradients
    c = min(1.0, most / (global_norm(gradients) + CLIP_GUARD))
    return [None if g is None else c * g for g in gradients]

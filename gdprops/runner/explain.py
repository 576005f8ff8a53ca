"""What a wrong training step does instead.

Nothing is guessed: a hypothesis is replayed on a model of our own from the weights seen before the first wrong step. It
counts only if it ends at the weights that were seen, to sixteen floors, in all the failing examples that were kept; the
one with the fewest fitted constants is told, and ties are told as ties.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.clauses.watching import Watched, watch
from gdprops.numerics.comparison import is_clearly_other
from gdprops.numerics.decisions import CLIP_GUARD, NEARLY_PARALLEL

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.subject import TrainedSubject

Weights = Sequence["Array"]
MOST_EXAMPLES = 6


class Hypothesis(NamedTuple):
    """What a step might do instead, how many constants are fitted in it, and the weights that it would give."""

    text: str
    constants: int
    rival: Callable[[Watched], Weights | None]
    about_rest: bool = False


def explain(subject: TrainedSubject, cases: Sequence[Any]) -> str | None:
    """Return what the step does instead, or what was seen without being proved, or None where nothing is wrong."""
    wrong = [step for case in cases[:MOST_EXAMPLES] if (step := first_wrong(subject, case)) is not None]
    if not wrong:
        return None
    if not _repeats(subject, cases[0], wrong[0]):
        return "the step is not deterministic: two runs from the same weights, batch and random numbers differ"
    candidates = [*HYPOTHESES, *_factor(wrong), *_clipping(wrong)]
    matching = [h for h in candidates if _reproduces(wrong, h)]
    if not matching:
        return f"none of {len(candidates)} hypotheses reproduces what was seen; {_facts(wrong)}"
    fewest = min(h.constants for h in matching)
    told = [h for h in matching if h.constants == fewest]
    return " or, which gives the same weights, ".join(dict.fromkeys(h.text for h in told)) + _resting(wrong, told)


def first_wrong(subject: TrainedSubject, case: Any) -> Watched | None:
    """Return the first wrong step of a case, None where every step is right."""
    return next((step for step in watch(subject, case) if step.wrong), None)


def _repeats(subject: TrainedSubject, case: Any, seen: Watched) -> bool:
    again = first_wrong(subject, case)
    if again is None or again.number != seen.number:
        return False
    return all(a.tobytes() == b.tobytes() for a, b in zip(again.after, seen.after, strict=True))


def _reproduces(wrong: Sequence[Watched], hypothesis: Hypothesis) -> bool:
    """Say whether a hypothesis ends at the observed weights in every example and is told from the right ones in one.

    What did not move at all is a fact beside it, unless the hypothesis is about just that.
    """
    told = False
    for step in wrong:
        rival = hypothesis.rival(step)
        if rival is None:
            return False
        here = rival if hypothesis.about_rest else _at_rest(step, rival)
        right = step.expected if hypothesis.about_rest else _at_rest(step, step.expected)
        if not step.is_at(here):
            return False
        told = told or is_clearly_other(here, right, step.allowed)
    return told


def _at_rest(step: Watched, weights: Weights) -> list[Array]:
    """Return weights with the parameters that did not move at all left where they were."""
    rests = step.resting()
    return [b if i in rests else w for i, (b, w) in enumerate(zip(step.before, weights, strict=True))]


def _resting(wrong: Sequence[Watched], told: Sequence[Hypothesis]) -> str:
    """Return which parameters never moved although U moves them, where the hypotheses do not say so themselves."""
    unsaid = [
        step for step in wrong if not any(r is not None and step.equals(r) for r in (h.rival(step) for h in told))
    ]
    kinds = {step.names[i].rpartition(".")[2] for step in unsaid for i in step.resting()}
    return f"; beside that these parameters do not move at all: {', '.join(sorted(kinds))}" if kinds else ""


def _facts(wrong: Sequence[Watched]) -> str:
    """Return what can be said without a cause: which layers are wrong, and from which step on."""
    steps = sorted({step.number for step in wrong})
    last = all(not step.wrong_at(len(step.names) - 1) for step in wrong)
    first = all(not step.wrong_at(0) for step in wrong)
    spared = ["the first parameter is right"] * first + ["the last parameter is right"] * last
    return f"first wrong at step {', '.join(map(str, steps))}" + "".join(
        f"; {fact} in every example" for fact in spared
    )


def _layers(step: Watched) -> list[list[int]]:
    """Return the parameters' indices layer by layer: those whose names share a prefix."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(step.names):
        found.setdefault(name.rpartition(".")[0], []).append(i)
    return list(found.values())


def _uses(step: Watched) -> list[list[int]]:
    """Return the layers with a shared parameter in each of the layers that use it."""
    return [list(layer) for layer in step.run.layers]


def _tensors(step: Watched) -> list[list[int]]:
    return [[i] for i in range(len(step.names))]


def _weights_then_biases(step: Watched) -> list[list[int]]:
    biases = [i for i, name in enumerate(step.names) if name.endswith("bias")]
    return [[i for i in range(len(step.names)) if i not in biases], biases]


def _halves(step: Watched) -> list[list[int]]:
    layers = _layers(step)
    middle = (len(layers) + 1) // 2
    return [[i for layer in half for i in layer] for half in (layers[:middle], layers[middle:])]


def swept(blocks: Callable[[Watched], list[list[int]]], *, back: bool = False) -> Callable[[Watched], Weights]:
    """Return the rival that looks again for every block, at weights that earlier blocks have moved."""

    def rival(step: Watched) -> Weights:
        v, rests = list(step.before), step.resting()
        for members in blocks(step)[::-1] if back else blocks(step):
            block = set(members) - rests
            g = step.run.gradients(v, step.batch)
            moved = step.run.update(v, [x if i in block else None for i, x in enumerate(g)], step.state, step.settings)
            v = [m if i in block else w for i, (m, w) in enumerate(zip(moved, v, strict=True))]
        return v

    return rival


def _kept(chosen: Callable[[Watched], Sequence[int]]) -> Callable[[Watched], Weights]:
    """Return the rival in which some parameters stay where they are."""

    def rival(step: Watched) -> Weights:
        still = set(chosen(step))
        return [b if i in still else e for i, (b, e) in enumerate(zip(step.before, step.expected, strict=True))]

    return rival


def _by_rows(*, each_moves: bool) -> Callable[[Watched], Weights | None]:
    """Return the rival that updates row by row, or once with the mean of the rows' gradients."""

    def rival(step: Watched) -> Weights | None:
        rows = step.run.rows(step.batch)
        if rows < 2:
            return None
        v, total = list(step.before), list[Any]()
        for row in range(rows):
            g = step.run.gradients(v, step.batch, rows=slice(row, row + 1))
            total = (
                g if not total else [None if a is None or b is None else a + b for a, b in zip(total, g, strict=True)]
            )
            v = step.run.update(v, g, step.state, step.settings) if each_moves else v
        return v if each_moves else step.update([None if x is None else x / rows for x in total])

    return rival


def _mean_of_two(step: Watched) -> Weights | None:
    """Return the mean of the first row's gradient and the other rows', whatever their number."""
    rows = step.run.rows(step.batch)
    if rows < 2:
        return None
    parts = [step.run.gradients(step.before, step.batch, rows=part) for part in (slice(0, 1), slice(1, rows))]
    return step.update([None if a is None or b is None else (a + b) / 2 for a, b in zip(*parts, strict=True)])


def _gradient_rival(which: int) -> Callable[[Watched], Weights | None]:
    def rival(step: Watched) -> Weights | None:
        found = step.gradient_rivals()
        return found[which][0] if found else None

    return rival


def _unclipped(step: Watched) -> Weights:
    return step.update(step.run.gradients(step.before, step.batch, clipped=False))


FORWARD = "layer by layer, first layer first: each layer's gradient is taken after the layers before it have moved"
BACKWARD = "layer by layer, last layer first: each layer's gradient is taken after the layers behind it have moved"

HYPOTHESES = (
    Hypothesis(FORWARD, 0, swept(_layers)),
    Hypothesis(FORWARD, 0, swept(_uses)),
    Hypothesis(BACKWARD, 0, swept(_layers, back=True)),
    Hypothesis(BACKWARD, 0, swept(_uses, back=True)),
    Hypothesis("tensor by tensor, first to last: each is moved before the next one's gradient", 0, swept(_tensors)),
    Hypothesis("tensor by tensor, last to first: each is moved before the next one's", 0, swept(_tensors, back=True)),
    Hypothesis("the biases' gradients are taken after the weights have moved", 0, swept(_weights_then_biases)),
    Hypothesis(
        "the weights' gradients are taken after the biases have moved", 0, swept(_weights_then_biases, back=True)
    ),
    Hypothesis("the second half of the network looks after the first half has moved", 0, swept(_halves)),
    Hypothesis("the first half of the network looks after the second half has moved", 0, swept(_halves, back=True)),
    Hypothesis("the last step's gradient is used (stale)", 0, _gradient_rival(0)),
    Hypothesis("the gradient is added to those of the earlier steps (no zero_grad)", 0, _gradient_rival(1)),
    Hypothesis("no gradient is used", 0, _gradient_rival(2), about_rest=True),
    Hypothesis("the same update is applied twice", 0, Watched.applied_twice),
    Hypothesis("the gradient is doubled", 0, lambda step: step.update(_times(step, 2.0))),
    Hypothesis(
        "one update per row of the batch, each at the weights that the last one left", 0, _by_rows(each_moves=True)
    ),
    Hypothesis("the mean of the rows' own gradients", 0, _by_rows(each_moves=False)),
    Hypothesis(
        "the mean of two ragged micro-batches' gradients: the first row weighs as much as all others", 0, _mean_of_two
    ),
    Hypothesis("the gradient is not clipped", 0, _unclipped),
    Hypothesis("the biases stay where they are", 0, _kept(lambda step: _weights_then_biases(step)[1]), about_rest=True),
    Hypothesis("the first layer stays where it is", 0, _kept(lambda step: _layers(step)[0]), about_rest=True),
    Hypothesis("the last layer stays where it is", 0, _kept(lambda step: _layers(step)[-1]), about_rest=True),
    Hypothesis("the step climbs: the gradient's sign is flipped", 0, lambda step: step.update(_times(step, -1.0))),
)


def _times(step: Watched, k: float) -> list[Array | None]:
    return [None if g is None else k * g for g in step.gradients]


def _factor(wrong: Sequence[Watched]) -> list[Hypothesis]:
    """Return "scaled by k" with the k that one failing example shows, where its displacement is parallel to U's."""
    k = _parallel(wrong[0])
    if k is None:
        return []
    text = f"the gradient is scaled by {k:.10g} in every failing example"
    return [Hypothesis(text, 1, lambda step: step.update(_times(step, k)))]


def _clipping(wrong: Sequence[Watched]) -> list[Hypothesis]:
    """Return "clipped to C", globally or tensor by tensor, with the C that one failing example shows."""
    first, k = wrong[0], _parallel(wrong[0])
    found = [] if k is None else [_clipped(k, first, guard) for guard in (0.0, CLIP_GUARD)]
    for i, g in enumerate(first.gradients):
        factor = None if g is None else _ratio(first.after[i], first.expected[i], first.before[i])
        if factor is not None and 0 < factor < 1:
            each = factor * _norm([g])
            text = f"each parameter's gradient is clipped by itself, to the norm {each:.6g}"
            found.append(Hypothesis(text, 1, lambda step, c=each: step.update(_clip_each(step, c))))  # type: ignore[misc] # bound now
    return found


def _clipped(k: float, first: Watched, guard: float) -> Hypothesis:
    """Return "clipped to C" with c = C / (N + guard), the guard of ``clip_grad_norm_`` or none."""
    most = k * (_norm(first.gradients) + guard)

    def rival(step: Watched) -> Weights:
        return step.update(_times(step, min(1.0, most / (_norm(step.gradients) + guard))))

    return Hypothesis(f"all gradients are clipped to the global norm {most:.6g}", 1, rival)


def _clip_each(step: Watched, most: float) -> list[Array | None]:
    return [g if g is None or not g.any() else g * min(1.0, most / _norm([g])) for g in step.gradients]


def _norm(gradients: Sequence[Array | None]) -> float:
    return float(np.sqrt(sum(float((g * g).sum()) for g in gradients if g is not None)))


def _ratio(seen: Array, expected: Array, before: Array) -> float | None:
    moved, wanted = seen - before, expected - before
    length = float((wanted * wanted).sum())
    return float((moved * wanted).sum()) / length if length else None


def _parallel(step: Watched) -> float | None:
    seen, expected = (
        np.concatenate([(w - b).ravel() for w, b in zip(weights, step.before, strict=True)])
        for weights in (step.after, step.expected)
    )
    length = float(expected @ expected)
    k = float(seen @ expected) / length if length else 0.0
    off = float(np.abs(seen - k * expected).max(initial=0.0))
    return k if length and off <= NEARLY_PARALLEL * float(np.abs(expected).max()) else None

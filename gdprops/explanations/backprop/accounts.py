"""Hypotheses about the update of a single parameter in hand-written backprop, called accounts.

An account gives the gradient by which the parameter would have moved. It holds if, in every failing example, the
parameter ends where this gradient leads, and if in one of them that place differs from the right one. Accounts that
need no recognized network are tried first, then those that need one, then those with a fitted number.

Example: "W2: moved the other way (the gradient's sign is flipped)".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.explanations.backprop.flaws import OTHERS, Flaw, flaws, gradients
from gdprops.explanations.backprop.operand_flaws import Mistake
from gdprops.explanations.backprop.repeated_rows import OF_THE_LAST_ROW, of_the_last_row
from gdprops.explanations.backprop.scaled_paths import scaled_paths
from gdprops.explanations.backprop.traced_flaws import TracedFlaws
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.backprop.recognized_network import Net
    from gdprops.model.arrays import Array

Update = Callable[["Watched", int], "Array | None"]
"""Returns the gradient by which the account moves parameter i, None where the account does not apply."""


MOST_FARTHER = 16.0
"""The tolerance of an account grows with its displacement, up to this many times the right displacement."""


class Account(NamedTuple):
    """A sentence about a parameter, and the gradient by which the parameter moves if the sentence is true."""

    text: Callable[[Watched, int], str]
    gradient: Update


def _says(text: str) -> Callable[[Watched, int], str]:
    return lambda step, i: text


def _g(step: Watched, i: int) -> Array:
    return np.asarray(step.gradients[i])


def _times(factor: Callable[[Watched], float]) -> Update:
    return lambda step, i: factor(step) * _g(step, i)


def _rows(step: Watched) -> float:
    return float(step.run.rows(step.batch))


def _outputs(step: Watched) -> float:
    y = step.run.case.batches[step.batch].targets  # type: ignore[attr-defined] # of hand-written runs
    return float(y.shape[1]) if y.ndim > 1 else 1.0


def _rate(step: Watched) -> float:
    return float(step.run.case.rate)  # type: ignore[attr-defined] # of hand-written runs


FACTORS: tuple[Account, ...] = tuple(
    Account(_says(text), _times(factor))
    for text, factor in (
        ("not moved", lambda step: 0.0),
        ("moved the other way (the gradient's sign is flipped)", lambda step: -1.0),
        ("moved twice as far", lambda step: 2.0),
        ("moved half as far", lambda step: 0.5),
        ("moved farther by the number of rows (the gradient is not divided by them)", _rows),
        (
            "moved less far by the number of rows (the gradient is divided by them, or once too often)",
            lambda step: 1 / _rows(step),
        ),
        ("moved farther by the number of outputs (the gradient is not divided by them)", _outputs),
        ("moved less far by the number of outputs (the gradient is divided by them)", lambda step: 1 / _outputs(step)),
        (
            "moved farther by the number of rows times that of outputs (the gradient is not divided by it)",
            lambda step: _rows(step) * _outputs(step),
        ),
        (
            "moved less far by the number of rows times that of outputs (the gradient is divided by it)",
            lambda step: 1 / (_rows(step) * _outputs(step)),
        ),
        (
            "moved farther by half the number of rows (the gradient is neither divided by them nor doubled)",
            lambda step: _rows(step) / 2,
        ),
        (
            "moved farther by half the number of rows times that of outputs (the gradient is neither divided by it nor "
            "doubled)",
            lambda step: _rows(step) * _outputs(step) / 2,
        ),
        ("moved farther by twice the number of rows", lambda step: 2 * _rows(step)),
        ("moved less far by twice the number of rows", lambda step: 1 / (2 * _rows(step))),
        ("moved less far by half the number of rows", lambda step: 2 / _rows(step)),
        ("moved less far by the learning rate (it enters twice)", _rate),
        ("moved without the learning rate", lambda step: 1 / _rate(step)),
    )
)


def _transposed(step: Watched, i: int) -> Array | None:
    g = _g(step, i)
    return g.T if g.ndim == 2 and g.shape[0] == g.shape[1] > 1 else g


def _total(step: Watched, i: int) -> Array:
    return np.full_like(_g(step, i), _g(step, i).sum())


def _stale(step: Watched, i: int) -> Array | None:
    return None if not step.earlier else step.earlier[-1][i]


def _added(step: Watched, i: int) -> Array | None:
    return None if not step.earlier else _g(step, i) + sum(np.asarray(g[i]) for g in step.earlier)


def _of_row(row: int, share: Callable[[Watched], float]) -> Update:
    def gradient(step: Watched, i: int) -> Array | None:
        here = slice(row, row + 1 or None)
        return share(step) * np.asarray(step.run.gradients(step.before, step.batch, rows=here)[i])

    return gradient


def _one(step: Watched) -> float:
    return 1.0


def _share(step: Watched) -> float:
    return 1 / _rows(step)


PLAIN: tuple[Account, ...] = (
    *FACTORS,
    Account(_says("moved by the transposed gradient (where W is square)"), _transposed),
    Account(_says("every entry moved by the sum of all entries' gradients"), _total),
    Account(_says("moved by the gradient of the step before (stale)"), _stale),
    Account(_says("moved by the gradients of all steps so far, added up"), _added),
    *(
        Account(_says(f"moved by the gradient of the {which} row alone"), _of_row(row, share))
        for which, row in (("last", -1), ("first", 0))
        for share in (_one, _share)
    ),
)


def told_of(wrong: Sequence[Watched], i: int, net: Net | None, traced: TracedFlaws) -> list[str]:
    """Return what became of parameter i in every failing example, all ties; empty where no account holds."""
    return _first_that_holds(wrong, i, _by_cost(wrong, i, net, traced))


def told_beside(wrong: Sequence[Watched], i: int, net: Net | None, factor: Account) -> list[str]:
    """Return the same of a parameter whose gradient has a factor beside that, as others have."""
    flawed = [] if net is None else [_flawed(net, flaw, factor) for flaw in flaws(net)]
    return _first_that_holds(wrong, i, iter([[_times_factor(account, factor) for account in PLAIN], flawed]))


def factors_of(wrong: Sequence[Watched], i: int) -> list[Account]:
    """Return the factors by which parameter i's displacement is off in every failing example."""
    return [account for account in _meant(FACTORS[1:], wrong) if matches(wrong, i, account)]


def _first_that_holds(wrong: Sequence[Watched], i: int, offers: Iterator[list[Account]]) -> list[str]:
    for some in offers:
        matching = dict.fromkeys(a.text(wrong[0], i) for a in some if matches(wrong, i, a))
        if matching:
            return list(matching)
    return []


def _times_factor(account: Account, factor: Account) -> Account:
    def gradient(step: Watched, i: int) -> Array | None:
        g = account.gradient(step, i)
        scaled = None if g is None else factor.gradient(_with(step, i, g), i)
        return None if scaled is None else np.asarray(scaled)

    return Account(lambda step, i: f"{factor.text(step, i)}; besides, {account.text(step, i)}", gradient)


def _meant(accounts: Sequence[Account], wrong: Sequence[Watched]) -> list[Account]:
    """Leave out the number of outputs where it is 1 everywhere: it is no number of anything then."""
    single = all(_outputs(step) == 1 for step in wrong)
    return [a for a in accounts if not (single and "outputs" in a.text(wrong[0], 0))]


def _by_cost(wrong: Sequence[Watched], i: int, net: Net | None, traced: TracedFlaws) -> Iterator[list[Account]]:
    """Yield what may have become of parameter i, the simplest first."""
    yield _meant(PLAIN, wrong)
    yield [Account(_says(OF_THE_LAST_ROW), partial(of_the_last_row, share=share)) for share in (_one, _share)]
    yield [*_borrowed(wrong[0], i)]
    if net is not None:
        yield [_flawed(net, flaw, None) for flaw in flaws(net)]
        yield [_flawed(net, flaw, None) for flaw in OTHERS]
    in_operations, *in_statistics = traced.mistakes(wrong[-1])
    yield [_traced(traced, mistake) for mistake in in_operations]
    yield list(_decaying(wrong, i))
    for mistakes in in_statistics:
        yield [_traced(traced, mistake) for mistake in mistakes]
    if net is not None:
        for factor in _meant(FACTORS[1:], wrong):
            yield [_flawed(net, flaw, factor) for flaw in flaws(net)]
    yield [Account(_says(one.text), one.gradient) for one in scaled_paths(wrong, i, traced, _rate)]
    k = _fitted(wrong, i)
    if k is not None:
        yield [Account(_says(f"moved {k:.6g} times as far"), _times(lambda step: k))]
    yield list(_penalized(wrong, i))


def _traced(traced: TracedFlaws, mistake: Mistake) -> Account:
    return Account(_says(mistake.text), lambda step, i: traced.gradient(step, i, mistake))


def _penalized(wrong: Sequence[Watched], i: int) -> Iterator[Account]:
    """Yield "a times the gradient less k times the weights": a penalty is missing, and the gradient is scaled."""
    for share, divided in ((_one, ""), (_share, " divided by the number of rows")):
        fitted = _two_fitted(wrong, i, share)
        if fitted is None:
            continue
        a, k = fitted
        if abs(a) <= decisions.SCALED_SHARE * abs(a * k):
            text = f"moved along {-a * k:.6g} times the weights themselves{divided}, and not along the gradient"
        elif abs(a - 1 - k) <= decisions.SCALED_SHARE * abs(a):
            text = (
                f"{k:.6g} times the gradient stands where {k:.6g} times the weights{divided} belong "
                "(the derivative of a penalty is taken of the gradient)"
            )
        elif k > 0:
            text = (
                f"the gradient lacks {k:.6g} times the weights themselves{divided} (a penalty on the weights that the "
                f"loss has), and moved {a:.6g} times as far"
            )
        else:
            text = (
                f"the gradient has {-k:.6g} times the weights themselves{divided} added (a decay of the weights that "
                f"the loss does not have), and moved {a:.6g} times as far"
            )
        yield Account(
            _says(text),
            lambda s, j, a=a, k=k, share=share: a * (_g(s, j) - k * share(s) * s.before[j]),  # type: ignore[misc] # bound now
        )


def _two_fitted(wrong: Sequence[Watched], i: int, share: Callable[[Watched], float]) -> tuple[float, float] | None:
    """Return a and k where all displacements together are lr a (g - k w), None where they cannot be told apart."""
    seen = np.concatenate([((s.before[i] - s.after[i]) / _rate(s)).ravel() for s in wrong])
    own = np.concatenate([_g(s, i).ravel() for s in wrong])
    weights = np.concatenate([(share(s) * s.before[i]).ravel() for s in wrong])
    if seen.size < 2 * decisions.FEWEST_FITTED:
        return None
    (a, b), _, rank, _ = np.linalg.lstsq(np.stack([own, weights], axis=1), seen, rcond=None)
    return None if rank < 2 or a == 0 else (float(a), float(-b / a))


def _decaying(wrong: Sequence[Watched], i: int) -> Iterator[Account]:
    """Yield the accounts that the gradient lacks, or contains wrongly, k times the weights; k is fitted."""
    k = _weights_used(wrong, i, _undivided)
    if k is not None and any(_undivided(s) for s in wrong):
        has, lacks = ("is not", "is") if k > 0 else ("is", "is not")
        what = f"the penalty's {abs(k):.6g} times the weights"
        text = f"{what} {has} divided by the number of rows, and in the loss it {lacks}"
        yield Account(_says(text), lambda s, j, k=k: _g(s, j) + k * _undivided(s) * s.before[j])  # type: ignore[misc] # bound now
    for share, divided in ((_one, ""), (_share, " divided by the number of rows")):
        k = _weights_used(wrong, i, share)
        if k is None:
            continue
        told = f"{abs(k):.6g} times the weights themselves{divided}"
        text = (
            f"the gradient lacks {told} (a penalty on the weights that the loss has)"
            if k < 0
            else f"the gradient has {told} added (a decay of the weights that the loss does not have)"
        )
        yield Account(_says(text), lambda s, j, k=k, share=share: _g(s, j) + k * share(s) * s.before[j])  # type: ignore[misc] # bound now


def _undivided(step: Watched) -> float:
    return 1 - 1 / _rows(step)


def _weights_used(wrong: Sequence[Watched], i: int, share: Callable[[Watched], float]) -> float | None:
    """Return the k for which the displacement is off by lr k w, fitted to the example with the largest error."""
    step: Any = max(wrong, key=lambda s: float(np.abs(s.after[i] - s.expected[i]).max(initial=0.0)))
    off = (step.expected[i] - step.after[i]) / _rate(step)
    w = share(step) * step.before[i]
    if sum(s.before[i].size for s in wrong) < decisions.FEWEST_FITTED or not w.any():
        return None
    return float((off * w).sum() / (w * w).sum())


def _borrowed(step: Watched, i: int) -> Iterator[Account]:
    """Yield the account "moved by the gradient of ..." for every other parameter of the same shape."""
    for j, name in enumerate(step.names):
        if j != i and step.before[j].shape == step.before[i].shape:
            yield Account(
                _says(f"moved by the gradient of {name}"),
                lambda s, k, j=j: _g(s, j) if s.before[j].shape == s.before[k].shape else None,  # type: ignore[misc] # bound now
            )


def _flawed(net: Net, flaw: Flaw, factor: Account | None) -> Account:
    def gradient(step: Watched, i: int) -> Array | None:
        with np.errstate(all="ignore"):
            g = _known(net, step, flaw)[i]
        if g is None or factor is None:
            return g
        scaled = factor.gradient(_with(step, i, g), i)
        return None if scaled is None else np.asarray(scaled)

    def text(step: Watched, i: int) -> str:
        told = _filled(net, flaw, step, i)
        return told if factor is None else f"{told}; besides, {factor.text(step, i)}"

    return Account(text, gradient)


def _with(step: Watched, i: int, g: Array) -> Any:
    from dataclasses import replace

    return replace(step, gradients=[g if k == i else other for k, other in enumerate(step.gradients)])


def _known(net: Net, step: Watched, flaw: Flaw) -> list[Array | None]:
    try:
        return gradients(net, step, flaw)
    except (ValueError, IndexError):
        return [None] * len(step.names)


def _filled(net: Net, flaw: Flaw, step: Watched, i: int) -> str:
    k = next(k for k, layer in enumerate(net.layers) if i in (layer.weight, layer.bias))
    behind = step.names[net.layers[min(k + 1, len(net.layers) - 1)].weight]
    told = flaw.text.format(act=net.hidden.name, next=behind)
    return told if flaw.at is None else f"{told}, in the layer of {step.names[net.layers[flaw.at].weight]}"


def matches(wrong: Sequence[Watched], i: int, account: Account) -> bool:
    """Say whether an account leads parameter i to its observed place in every failing example.

    In one example at least, that place must clearly differ from the right one.
    """
    told = False
    for step in wrong:
        g = account.gradient(step, i)
        if g is None or np.shape(g) != step.before[i].shape or not np.isfinite(g).all():
            return False
        there = step.before[i] - _rate(step) * g
        room = _room(step, i, float(np.abs(there - step.before[i]).max(initial=0.0)))
        if not (np.abs(step.after[i] - there) <= room).all():
            return False
        told = told or bool((np.abs(there - step.expected[i]) > 2 * (room + step.allowed[i])).any())
    return told


def _room(step: Watched, i: int, reach: float) -> Array:
    """Return the tolerance of an account that moves parameter i by up to ``reach``.

    It grows with ``reach``, because the error of the derivative does.
    """
    right = float(np.abs(step.expected[i] - step.before[i]).max(initial=0.0))
    farther = min(reach / right, MOST_FARTHER) if right else 0.0
    return np.asarray(step.allowed[i] * (1 + farther) + decisions.GUARDED_SHARE * reach)


def _fitted(wrong: Sequence[Watched], i: int) -> float | None:
    """Return the factor by which parameter i moves, fitted to the example with the largest right displacement.

    None if the failing examples have too few entries: a single entry fits any factor.
    """
    step: Any = max(wrong, key=lambda s: float(np.abs(s.expected[i] - s.before[i]).max()))
    wanted = step.expected[i] - step.before[i]
    if sum(s.before[i].size for s in wrong) < decisions.FEWEST_FITTED or not wanted.any():
        return None
    return float(((step.after[i] - step.before[i]) * wanted).sum() / (wanted * wanted).sum())

"""What the loss was given, and what backward started from: replayed on a model of our own.

From the log of a step, its loss calls, we take the inputs of their forward passes, the targets that they were given,
what was made of the model's outputs in between (another shape, a softmax), and what the loss was multiplied by
in the scalar that backward started from. Our own gradients of just that must give the weights seen. Nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gdprops.explanations.training_step.explanation_wording import number, rows_of
from gdprops.explanations.training_step.gradient_origin import total
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights
from gdprops.explanations.training_step.recording import first_tensor, rows_by_value
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.explanations.training_step.observation import LossCall, Observation, Pass
    from gdprops.model.arrays import Array

Change = Callable[[Tensor], Tensor]
FORMS: Mapping[str, Change] = {
    "the softmax of the outputs": lambda out: torch.softmax(out, dim=-1),
    "the logarithm of the outputs' softmax": lambda out: torch.log_softmax(out, dim=-1),
    "the sigmoid of the outputs": torch.sigmoid,
    "the tanh of the outputs": torch.tanh,
    "the positive part (ReLU) of the outputs": torch.relu,
}
"""What code is known to put between the model and the loss."""


class Given(NamedTuple):
    """One call of a loss beside the forward pass that its outputs come from: how the outputs became the loss's."""

    call: LossCall
    passed: Pass
    form: str
    change: Change


def by_loss_calls(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return what the losses of the failing examples were given and multiplied by, where that is not what is right."""
    wrong = [moment for failure in failures for moment in failure.wrong]
    told = [dict(_differences(moment)) for moment in wrong]
    if not all(told):
        return []
    said = max(told, key=len)
    data = [sentence for what, sentence in said.items() if what != SCALED]
    found = [Hypothesis(" and ".join(data), _replayed(scaled=False), broad=2, about_rest=True)] if data else []
    if SCALED in said:
        factors = _factors(failures)
        text, late = (
            " and ".join([*data, factors]),
            int(factors.startswith("from step") and "times the loss" in factors),
        )
        found.append(Hypothesis(text, _replayed(scaled=True), late, broad=1 + bool(data), about_rest=True, dated=True))
    return found


SCALED = "scaled"
"""The key of the difference that a loss is multiplied by something before backward: it may be undone afterwards."""


def _given(moment: Moment) -> list[Given] | None:
    """Return all loss calls of a step with their passes, None where they cannot be told."""
    step, seen = moment
    if seen is None or not seen.losses or len(seen.losses) != len(seen.learning):
        return None
    found = [_pair(call, passed) for call, passed in zip(seen.losses, seen.learning, strict=True)]
    started = all(all(map(np.array_equal, one.weights, step.before)) for one in seen.learning)
    return [one for one in found if one is not None] if started and all(found) else None


def _pair(call: LossCall, passed: Pass) -> Given | None:
    """Return how the outputs of a pass became those that the loss was given."""
    if passed.inputs is None or passed.outputs is None or call.factor is None:
        return None
    shape, made = call.outputs.shape, torch.from_numpy(passed.outputs)
    for form, change in {"": lambda out: out, **FORMS}.items():
        there: Any = change(made)
        if there.numel() == call.outputs.size and _equal(there.numpy().reshape(shape), call.outputs):
            return Given(call, passed, form, lambda out, change=change: change(out).reshape(shape))  # type: ignore[misc] # bound now
    return None


def _equal(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b, rtol=decisions.REGRESSION_RESIDUAL, atol=0))


def _replayed(*, scaled: bool) -> Callable[[Moment], Weights | None]:
    """Return the weights after a step on the losses as they were called, clipped as declared."""

    def rival(moment: Moment) -> Weights | None:
        given = _given(moment)
        if given is None or not list(_differences(moment)):
            return None
        run: Any = moment.step.run
        parts = []
        for one in given:
            assert one.passed.inputs is not None, "looked at by _pair"
            g = run.gradients_of(moment.step.before, one.passed.inputs, one.call.targets, one.change)
            c = (one.call.factor or 0.0) if scaled else 1.0
            parts.append([None if x is None else c * x for x in g])
        return moment.step.update(run.clip(total(parts)))

    return rival


def _differences(moment: Moment) -> Iterator[tuple[str, str]]:
    """Yield what is unusual in the loss calls of one step: what it is about, and a sentence."""
    given, seen = _given(moment), moment.seen
    if given is None or seen is None:
        return
    for one in given:
        yield from _of_data(moment, one)
        if one.form:
            yield "form", f"the loss is given {one.form} ({one.call.place})"
        if _is_reshaped(moment, one):
            yield "shape", _shapes(one.call)
    if len(given) == 1 and seen.roots and given[0].call.factor != 1:
        yield SCALED, ""


def _is_reshaped(moment: Moment, one: Given) -> bool:
    """Say whether outputs or targets have another shape at the loss than the model's and the batch's."""
    live: Any = moment.step.run
    targets = first_tensor(live.data(moment.step.batch).targets)
    other = targets is not None and one.call.targets.shape[1:] != tuple(targets.shape[1:])
    return other or (one.passed.outputs is not None and one.call.outputs.shape != one.passed.outputs.shape)


def _of_data(moment: Moment, one: Given) -> Iterator[tuple[str, str]]:
    """Yield that the targets are not those of the inputs' rows."""
    batch = moment.step.run
    live: Any = batch
    whole = live.data(moment.step.batch)
    inputs, targets = first_tensor(whole.inputs), first_tensor(whole.targets)
    if inputs is None or targets is None or one.passed.inputs is None:
        return
    seen = _rows(one.passed.inputs, inputs)
    told = _rows(one.call.targets, targets)
    if seen is None:
        yield "inputs", "the model is given other inputs than the batch's"
    elif told is None and one.call.targets.shape[:1] == one.passed.inputs.shape[:1]:
        yield "targets", f"the loss is given other targets than the batch's ({one.call.place})"
    elif told is not None and not _belong(one, seen, inputs, targets):
        yield (
            "rows",
            f"the rows of inputs and targets do not belong together ({one.call.place}): the model is given rows "
            f"{rows_of(seen)} of the batch, the loss the targets of rows {rows_of(told)}",
        )


def _rows(seen: Array, batch: Tensor) -> tuple[int, ...] | None:
    """Return which rows of the batch an array holds, by its numbers; also where it has another shape."""
    whole = batch.detach().numpy()
    if not seen.ndim or not whole.ndim or seen.size % max(len(seen), 1) or not len(seen):
        return None
    flat = whole.reshape(len(whole), -1)
    rows = seen.reshape(len(seen), -1)
    return rows_by_value(rows, flat, len(flat)) if rows.shape[1] == flat.shape[1] else None


def _belong(one: Given, seen: Sequence[int], inputs: Tensor, targets: Tensor) -> bool:
    """Say whether the targets are those of the rows that the model was given."""
    own = targets.detach().numpy()[list(seen)]
    return own.size == one.call.targets.size and np.array_equal(own.ravel(), one.call.targets.ravel())


def _shapes(call: LossCall) -> str:
    told = f"outputs of shape {call.outputs.shape} and targets of shape {call.targets.shape} ({call.place})"
    try:
        together = np.broadcast_shapes(call.outputs.shape, call.targets.shape)
    except ValueError:
        return f"the loss is given {told}"
    pairs = " × ".join(map(str, together))
    spread = together not in (call.outputs.shape, call.targets.shape)
    return f"the loss is given {told}{f', which are broadcast to {pairs} pairs' if spread else ''}"


def _factors(failures: Sequence[Failure]) -> str:
    """Return what the loss is multiplied by in the scalar that backward starts from."""
    place = next(seen.roots[-1].place for f in failures for _, seen in f.wrong if seen is not None and seen.roots)
    averaged = _averages(failures)
    if averaged:
        return f"from step 2 on backward starts from {averaged} ({place}): no gradient flows through the earlier losses"
    distinct = {number(_factor(seen)) for f in failures for _, seen in f.wrong if seen is not None}
    first = failures[0]
    if len(distinct) == 1:
        since = min(f.first.step.number for f in failures)
        begin = f"from step {since} on " if since > 1 else ""
        return f"{begin}backward starts from {distinct.pop()} times the loss ({place})"
    series = ", ".join(f"{number(_factor(seen))} at step {step.number}" for step, seen in first.moments if seen)
    return f"backward does not start from the loss but from a multiple of it ({place}): {series} of the largest example"


def _factor(seen: Observation) -> float:
    return seen.losses[0].factor or 0.0 if seen.losses else 1.0


def _averages(failures: Sequence[Failure]) -> str:
    """Return which running average of the losses backward starts from, empty where it starts from none.

    The root of every step after the first is k of its loss and 1 - k of the root before it: with one k for all steps
    it is smoothed, with k = 1/t it is the mean. Two steps show one k only, and cannot tell these apart.
    """
    shares = [_shares(failure) for failure in failures if len(failure.moments) > 1]
    if any(one is None for one in shares) or max((len(one or ()) for one in shares), default=0) < 2:
        return ""
    every = [(t, k) for one in shares for t, k in enumerate(one or (), start=2)]
    if all(abs(k * t - 1) <= decisions.REGRESSION_RESIDUAL for t, k in every):
        return "the mean of all losses so far"
    first = every[0][1]
    if any(abs(k - first) > decisions.REGRESSION_RESIDUAL for _, k in every):
        return ""
    rest = f"{number(1 - first)} of what the last one started from"
    return f"a smoothed loss: {number(first)} of this step's loss plus {rest}"


def _shares(failure: Failure) -> list[float] | None:
    """Return k of every step after the first, None where a root is no such average."""
    held = [(seen.losses[0], seen.roots[0]) for _, seen in failure.moments if seen and seen.losses and seen.roots]
    if len(held) != len(failure.moments):
        return None
    for (_, last), (loss, root) in pairwise(held):
        k = loss.factor or 0.0
        wanted = k * loss.value + (1 - k) * last.value
        if k in (0.0, 1.0) or abs(root.value - wanted) > decisions.REGRESSION_RESIDUAL * abs(wanted):
            return None
    return [loss.factor or 0.0 for loss, _ in held[1:]]

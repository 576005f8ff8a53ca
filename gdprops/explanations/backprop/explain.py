"""Say what wrong hand-written backprop does instead of the specified update.

1. The hypotheses about training steps are tried: sweeps over layers, stale gradients and others.
2. The step runs again on parameters with delayed writes (`delayed_writes.py`). If this makes it right in every failing
   example, the step reads weights that it has already moved, and the explanation names them.
3. Every wrong parameter is explained by itself (`accounts.py`): by its gradient and a factor or, if the loss is
   recognized as that of a network (`recognized_network.py`), by a backward pass with one flaw (`flaws.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.errors import GdpropsError
from gdprops.explanations.backprop.accounts import factors_of, told_beside, told_of
from gdprops.explanations.backprop.delayed_writes import DelayedDict, DelayedList, settled
from gdprops.explanations.backprop.mini_batches import sums_of_parts, updates_by_parts
from gdprops.explanations.backprop.moved_layers import moved_layers
from gdprops.explanations.backprop.places import place
from gdprops.explanations.backprop.recognized_network import recognized
from gdprops.explanations.backprop.traced_flaws import TracedFlaws
from gdprops.explanations.training_step import explain as shared

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.backprop.recognized_network import Net
    from gdprops.model.case import BackpropCase
    from gdprops.subjects.backprop.subject import Backprop

ADVICE = re.compile(r" \(where that is meant, declare it: [^)]*\)")
SCHEDULES = ("layer by layer", "tensor by tensor", "one update per row", "the step is not deterministic")
"""How those explanations of training steps begin that need no further proof for hand-written backprop."""
MOST_TIES = 3
NOTHING_MOVES = "no gradient is used"
BY_ROW_WEIGHTS = "the rows of the batch weigh differently"
"""How a shared explanation begins that fits a number to every row: with few weights it fits anything."""
FITTED = ("the gradient used is", "the mean of the rows' own gradients")
"""How those begin that fit coefficients, or say nothing of the rows' losses: what is known of backprop says more."""
UNPROVED = "none of"
AS_GRADIENTS = (
    ("wrong, first at step 1:", "wrong:"),
    ("not moved", "zero"),
    ("moved the other way (the gradient's sign is flipped)", "of the other sign"),
    ("times as far", "times as large"),
    ("as far", "as large"),
    ("moved farther", "larger"),
    ("moved less far", "smaller"),
    ("every entry moved by", "every entry is"),
    ("moved by ", ""),
    ("moved ", ""),
)


def explain(subject: Backprop, cases: Iterable[BackpropCase]) -> str | None:
    """Return what the step or the gradients do instead, or what was seen without being proved; None if all is right.

    Where the loss guards a logarithm, the gradients may be those of the loss without that, and wrong beside it.
    """
    kept = list(cases)
    told = _explained(subject, kept)
    if subject.guards and (told is None or told.startswith(UNPROVED)):
        return _explained(subject.without_guards(), kept) or told
    return told


def _explained(subject: Backprop, cases: Sequence[BackpropCase]) -> str | None:
    told = _of_steps(subject, cases)
    if told is not None or subject.gradients is None:
        return told
    told = _of_steps(_by_gradients(subject), cases)
    return None if told is None else _of_gradients(told)


def _in_numpy(told: str) -> str:
    """Return what a shared explanation says, without what arrays do not have: options, a hand-over, zero_grad."""
    told = ADVICE.sub("", told)
    return told.replace("handed over", "used").replace(" (no zero_grad)", " (nothing sets them to zero again)")


def _of_gradients(told: str) -> str:
    """Rewrite a sentence about displacements as one about gradients: no step has used these gradients."""
    for moved, looked in AS_GRADIENTS:
        told = told.replace(moved, looked)
    return told


def _by_gradients(subject: Backprop) -> Backprop:
    """Return a subject whose step is plain gradient descent along the gradients of the user's function."""
    functions = subject.functions

    def step(params: Any, x: Any, y: Any, lr: float) -> Any:
        assert functions.gradients is not None, "only asked for where they are given"
        names: Sequence[Any] = functions.container.keys or range(len(params))
        shapes = [np.shape(params[name]) for name in names]
        taken = functions.container.taken(functions.gradients(params, x, y), shapes, gradients=True)
        found = {} if taken is None else taken.params
        gradients = [functions.container.found(found, str(name), k) for k, name in enumerate(names)]
        moved = [params[n] - lr * np.asarray(0 if g is None else g) for n, g in zip(names, gradients, strict=True)]
        return functions.container.of(moved)

    return replace(subject, functions=replace(functions, step=step, rate_at=type(functions.rate_at)()))


def _of_steps(subject: Backprop, cases: Sequence[BackpropCase]) -> str | None:
    if subject.step is None:
        return None
    found = ((case, shared.first_wrong(subject, case)) for case in cases)
    wrong = list(islice(((case, step) for case, step in found if step is not None), shared.MOST_EXAMPLES))
    if not wrong:
        return None
    if not any(any(step.moved()) for _, step in wrong):
        return NOTHING_MOVES
    if subject.unbounded and (moved := moved_layers([step for _, step in wrong])) is not None:
        return moved
    told = shared.explain(subject, [case for case, _ in wrong])
    told = None if told is None else _in_numpy(told)
    if told is not None and told.startswith(SCHEDULES):
        return told
    steps = [step for _, step in wrong]
    proved = None if told is None or told.startswith((UNPROVED, BY_ROW_WEIGHTS)) else told
    return (
        updates_by_parts(steps)
        or _late_reads(subject, wrong)
        or _accounted(subject, steps, proved)
        or proved
        or sums_of_parts(steps)
        or _facts(steps)
    )


def _accounted(subject: Backprop, wrong: Sequence[Watched], proved: str | None) -> str | None:
    """Return what the accounts say of the wrong parameters; None if one of them is not explained.

    If one account holds for all parameters, the proved sentence about the whole step is preferred.
    """
    own = _accounts(subject, wrong)
    if not own:
        return None
    of_all = len(own) == 1 and set(wrong[0].names) == set(next(iter(own.values())))
    return proved if of_all and proved and not proved.startswith(FITTED) else _joined(own)


def _facts(wrong: Sequence[Watched]) -> str:
    """Return the facts where nothing is proved: which parameters are wrong, from which step on, and in which entries.

    Hand-written backprop has the same parameters in every example, so that they are named.
    """
    names = wrong[0].names
    off = [name for i, name in enumerate(names) if any(step.wrong_at(i) for step in wrong)]
    right = [name for name in names if name not in off]
    steps = ", ".join(map(str, sorted({step.number for step in wrong})))
    spared = f"; right in every example: {', '.join(right)}" if right else ""
    parts = "".join(f"; {told}" for i in range(len(names)) if (told := place(wrong, i)))
    return (
        f"{UNPROVED} the known faults reproduces what was seen; wrong, first at step {steps}: {', '.join(off)}{spared}"
        f"{parts}"
    )


def _joined(told: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in told.items())


def _accounts(subject: Backprop, wrong: Sequence[Watched]) -> dict[str, list[str]]:
    """Return each sentence with the wrong parameters that it explains; empty if one of them is not explained."""
    largest = sorted(wrong, key=lambda step: -sum(w.size for w in step.before))
    net, traced = recognized(largest, subject.layout), TracedFlaws()
    names = largest[0].names
    found = {
        i: told_of(largest, i, net, traced) for i in range(len(names)) if any(step.wrong_at(i) for step in largest)
    }
    _divide_out(largest, net, found)
    common = [text for text in next(iter(found.values())) if all(text in texts for texts in found.values())]
    told: dict[str, list[str]] = {}
    for i, texts in found.items():
        told.setdefault(" or, which gives the same weights, ".join((common or texts)[:MOST_TIES]), []).append(names[i])
    return {} if "" in told else told


def _divide_out(wrong: Sequence[Watched], net: Net | None, found: dict[int, list[str]]) -> None:
    """Two faults at once: account for the rest beside a factor that the other parameters have in common."""
    rest, known = [i for i, texts in found.items() if not texts], [i for i, texts in found.items() if texts]
    for factor in factors_of(wrong, known[0]) if rest and known else ():
        if not all(factor.text(wrong[0], i) in found[i] for i in known):
            continue
        beside = {i: told_beside(wrong, i, net, factor) for i in rest}
        if all(beside.values()):
            found.update(beside)
            return


def _late_reads(subject: Backprop, wrong: Sequence[tuple[BackpropCase, Watched]]) -> str | None:
    """Return the sentence that names the weights which are used after their update; None if that is not proved.

    It is proved if the step is right in every failing example when writes are delayed. Parameters whose writes need no
    delay are not named.
    """
    names, late = wrong[0][1].names, list[str]()
    if not all(_is_right_when_delayed(subject, *one, names, late) for one in wrong):
        return None
    needed = [name for name in names if name in late]
    for name in list(needed):
        fewer = [n for n in needed if n != name]
        if fewer and all(_is_right_when_delayed(subject, *one, fewer, []) for one in wrong):
            needed = fewer
    if not needed:
        return None
    return (
        f"the step uses the already updated weights of {_where(needed, [step for _, step in wrong])}: "
        "with every write put off to the end of the step, it is right"
    )


def _where(needed: Sequence[str], wrong: Sequence[Watched]) -> str:
    """Return the names, with the words "the next layer" if the layer right before each of them is wrong."""
    told, names, layers = " and ".join(needed), wrong[0].names, wrong[0].run.layers
    read = {k for k, layer in enumerate(layers) if any(names[i] in needed for i in layer)}
    harmed = {k for k, layer in enumerate(layers) if any(step.wrong_at(i) for step in wrong for i in layer)}
    if not read or not {k - 1 for k in read} <= harmed:
        return told
    return f"the next layer, {told}" if len(read) == 1 else f"the next layer each, {told}"


def _is_right_when_delayed(
    subject: Backprop, case: BackpropCase, step: Watched, chosen: Sequence[str], late: list[str]
) -> bool:
    form = DelayedList if subject.container.keys is None else DelayedDict
    try:
        moved = subject.begin(case).stepped(form(step.names, step.before, late, chosen), step.batch)
        ended = [settled(subject.container.found(moved, name, k)) for k, name in enumerate(step.names)]
    except (GdpropsError, TypeError, ValueError, AttributeError):
        return False
    return [w.shape for w in ended] == [w.shape for w in step.expected] and step.is_expected(ended)

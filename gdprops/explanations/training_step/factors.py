"""Hypotheses that parameters move by a factor k of the declared displacement: Δ = k Δ(declared).

k is read from a parameter whose displacement is exactly parallel to the declared one. Example: k = -1 for all
parameters gives "the step climbs: the gradient's sign is flipped". Any number is parallel to any other, so that
one-element tensors show no factor; they only must not contradict it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.explanations.training_step.around_the_update import of_the_move
from gdprops.explanations.training_step.declared_clipping import is_clipped
from gdprops.explanations.training_step.explanation_wording import number, several
from gdprops.explanations.training_step.hypothesis import Hypothesis, Weights, on_steps
from gdprops.explanations.training_step.parameter_roles import ROLES, Role

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure, Moment
    from gdprops.model.arrays import Array

FEWEST_POSITIONS = 3
UNSPECIFIC = {"step.simultaneous": ""}
"""Replaces the clause of a factor that holds for some parameters only: no clause is named in this case."""
Factor = Callable[["Moment"], float]


class Known(NamedTuple):
    """A factor with its sentence: for the whole gradient, for one parameter and for several parameters."""

    gradient: str
    one: str
    several: str
    factor: Factor
    constants: int = 0
    clause: str = "step.simultaneous"


def rows(moment: Moment) -> float:
    """Return the number of rows of the batch of a step."""
    return float(moment.step.run.rows(moment.step.batch))


def constant(k: float) -> Factor:
    """Return the factor that is the same everywhere."""

    def fixed(_moment: Moment) -> float:
        return k

    return fixed


KNOWN = (
    Known("no gradient is used", "stays where it is", "stay where they are", constant(0.0), clause="step.moves-all"),
    Known(
        "the step climbs: the gradient's sign is flipped",
        "moves the other way (the gradient's sign is flipped)",
        "move the other way (the gradient's sign is flipped)",
        constant(-1.0),
    ),
    Known("the gradient is doubled", "moves twice as far", "move twice as far", constant(2.0)),
    Known("the gradient is halved", "moves half as far", "move half as far", constant(0.5)),
    Known(
        "the gradient is multiplied by the number of rows (it is not divided by them)",
        "moves farther by the number of rows",
        "move farther by the number of rows",
        rows,
    ),
    Known(
        "the gradient is divided by the number of rows",
        "moves less far by the number of rows",
        "move less far by the number of rows",
        lambda moment: 1 / rows(moment),
    ),
    Known(
        "the gradient is divided by the number of parameter tensors",
        "moves less far by the number of parameter tensors",
        "move less far by the number of parameter tensors",
        lambda moment: 1 / sum(g is not None for g in moment.step.gradients),
    ),
    Known(
        "a short window's gradient is divided by the micro-batches of a whole one",
        "moves less far in short windows, by the missing micro-batches",
        "move less far in short windows, by the missing micro-batches",
        lambda moment: len(moment.step.noticed.looks) / moment.step.run.window if moment.step.run.window > 1 else 1.0,
        clause="step.accumulation",
    ),
    Known(
        "the gradient is multiplied by the learning rate once more",
        "moves less far by the learning rate (it enters twice)",
        "move less far by the learning rate (it enters twice)",
        lambda moment: float(moment.step.settings[0]["lr"]),
    ),
)


def factors(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses that factors suggest: for the whole gradient, for some parameters, for each by position.

    For hand-written backprop only those for the whole gradient are returned: it has the same parameters in every
    example, and another module names them.
    """
    fitted = fitted_factors(failures)
    known = [*_beside_coincidence(failures), *(_plain(k) for k in fitted if not _is_known(k))]
    of_all = [*map(of_the_move, map(_of_gradient, known)), *_shrunk(failures), *_per_use(failures)]
    if failures[0].first.step.run.live is None:
        return of_all
    roles = roles_of_wrong(failures)
    if not failures[0].anchored:  # one step of a rule with a state is no proof of a fitted number
        known = list(KNOWN)
    return [
        *of_all,
        *(of_the_move(_of_role(one, role)) for one in known for role in roles),
        *(of_the_move(_of_wrong(one, failures[0].first.step)) for one in known if _some_are_right(failures)),
        *_by_position(failures),
    ]


def _beside_coincidence(failures: Sequence[Failure]) -> list[Known]:
    """Return the known factors; one that has a single value in all failing examples may just be that number.

    It costs a constant then, as the number itself does: both are told, unless an experiment tells them apart. A fixed
    factor may just be another bound where every wrong step clips: clipped to 0.2 a gradient is twice that clipped to
    0.1.
    """
    found, wrong = list[Known](), [moment for failure in failures for moment in failure.wrong]
    clips = all(is_clipped(moment.step) for moment in wrong)
    for one in KNOWN:
        values = {k for moment in wrong if (k := _value(one, moment)) is not None}
        doubtful = len(values) == 1 and (_is_measured(one) or (clips and min(values) > 0))
        found.append(one._replace(constants=1) if doubtful else one)
    return found


def _is_measured(one: Known) -> bool:
    """Say whether a factor is read from an example, and no fixed number."""
    return one.factor.__name__ != "fixed"


def _value(one: Known, moment: Moment) -> float | None:
    try:
        return one.factor(moment)
    except (LookupError, TypeError):
        return None


def _per_use(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "a shared parameter moves once for each layer that uses it"."""

    def uses(step: Watched) -> list[int]:
        return [max(1, sum(i in layer for layer in step.run.layers)) for i in range(len(step.names))]

    counts = {k for failure in failures for moment in failure.wrong for k in uses(moment.step) if k > 1}
    if not counts:
        return []

    def rival(step: Watched) -> Weights:
        return [b + k * (e - b) for b, e, k in zip(step.before, step.expected, uses(step), strict=True)]

    text = "a parameter that several layers share moves once for each of them (it is listed once per name)"
    found = [Hypothesis(text, on_steps(rival), about_rest=True)]
    if len(counts) == 1:
        far = f"the parameters that several layers share move {number(counts.pop())} times as far"
        found.append(Hypothesis(far, on_steps(rival), about_rest=True))
    return found


def at_some_steps(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses that all parameters move by a known factor at the wrong steps, and other steps are right.

    A condition in the step ("skip the update if ...") has this effect.
    """
    wrong = [_of_wrong(one, failures[0].first.step) for one in KNOWN]
    return [] if _some_are_right(failures) else [of_the_move(one) for one in wrong]


def factor_of(step: Watched, i: int) -> float | None:
    """Return the factor by which parameter i moves, None if its displacement is not parallel to the declared one."""
    moved, wanted = step.after[i] - step.before[i], step.expected[i] - step.before[i]
    if moved.size < 2 or not (np.abs(wanted) > step.allowed[i]).any():
        return None
    k = float((moved * wanted).sum() / (wanted * wanted).sum())
    room = step.allowed[i] * (1 + abs(k))
    return k if (np.abs(moved - k * wanted) <= room).all() and np.count_nonzero(wanted) > 1 else None


def _plain(k: float) -> Known:
    told = number(k)
    far = f"{told} times as far in every failing example"
    return Known(
        f"the gradient is scaled by {told} in every failing example", f"moves {far}", f"move {far}", constant(k), 1
    )


def _is_known(k: float) -> bool:
    return any(abs(k - known) <= 1e-9 for known in (0.0, -1.0, 2.0, 0.5))


def fitted_factors(failures: Sequence[Failure]) -> list[float]:
    """Return the factors other than 1 that the first wrong step shows."""
    step = failures[0].first.step
    seen = [k for i in range(len(step.names)) if (k := factor_of(step, i)) is not None and step.wrong_at(i)]
    distinct: list[float] = []
    for k in seen:
        if not any(abs(k - other) <= 1e-7 * max(1.0, abs(k)) for other in distinct):
            distinct.append(k)
    return distinct[:3]


def _of_gradient(one: Known) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        step, k = moment.step, one.factor(moment)
        if moment.seen is not None and moment.seen.hands_over_twice():
            return None
        scaled = [None if g is None else k * g for g in step.gradients]
        if getattr(step.run, "looks_again", False):  # then what every look hands over is meant
            run: Any = step.run
            return run.update_by_looks(step.before, scaled, step.state, step.settings, lambda _, own: k * own)  # type: ignore[no-any-return]
        return step.update(scaled)

    return Hypothesis(one.gradient, rival, one.constants, one.clause, about_rest=True, threads=True)


def roles_of_wrong(failures: Sequence[Failure]) -> list[Role]:
    """Return the roles that exactly the wrong parameters play, in every failing example."""
    return [
        role for role in ROLES if all(_plays(role, moment.step) for failure in failures for moment in failure.wrong)
    ]


def _plays(role: Role, step: Watched) -> bool:
    return all(not step.wrong_at(i) for i in set(range(len(step.names))) - set(role.members(step)))


def _of_role(one: Known, role: Role) -> Hypothesis:
    def rival(moment: Moment) -> Weights:
        step, k, members = moment.step, one.factor(moment), set(role.members(moment.step))
        pairs = enumerate(zip(step.before, step.expected, strict=True))
        return [b + k * (e - b) if i in members else e for i, (b, e) in pairs]

    text = f"{role.text} {one.one if role.one else one.several}"
    return Hypothesis(text, rival, one.constants, one.clause, broad=1, about_rest=True)


def _shrunk(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses that all trained weights, or all weights, are multiplied by k after a right update.

    The constant k is fitted to the first failing example.
    """
    first = failures[0].first.step
    seen, right = (np.concatenate([w.ravel() for w in weights]) for weights in (first.after, first.expected))
    k = float(seen @ right / (right @ right)) if right.any() else 1.0
    by, frozen = f"multiplied by {number(k)}", any(not all(failure.first.step.trainable) for failure in failures)
    found = [
        Hypothesis(f"after a right update all trained weights are {by}", on_steps(_multiplied(k, frozen=False)), 1)
    ]
    if frozen:
        text = f"after a right update all weights, frozen ones too, are {by}"
        found.append(Hypothesis(text, on_steps(_multiplied(k, frozen=True)), 1, "step.frozen-untouched"))
    return found


def shrunk_before(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses that weights are multiplied by k between their gradients and the update.

    The constant is fitted to the first failing example: U answers to weights that are twice as large by what it makes
    of the weights themselves, (1 - η λ) w of a decoupled decay. A loop over all parameters decays those too that are
    frozen, or that the loss does not reach.
    """
    first = failures[0].first.step
    answer = [d - e for d, e in zip(_updated_from(first, 2.0, _trained), first.expected, strict=True)]
    off = [a - e if t else 0 * e for t, a, e in zip(_trained(first), first.after, first.expected, strict=True)]
    length = sum(float((d * d).sum()) for d in answer)
    k = 1 + sum(float((d * o).sum()) for d, o in zip(answer, off, strict=True)) / length if length else 1.0
    if not np.isfinite(k) or k == 1:
        return []
    by = f"multiplied by {number(k)} (a decay beside the optimizer's)"
    of_whom: tuple[tuple[str, Callable[[Watched], list[bool]]], ...] = (
        ("all weights", _trained),
        ("all weights, also of parameters without a gradient,", lambda step: list(step.trainable)),
        ("all weights, frozen ones too,", lambda step: [True] * len(step.names)),
    )
    told = {str([of(failure.first.step) for failure in failures]): (what, of) for what, of in reversed(of_whom)}
    return [  # each set of parameters is told once, by its fewest words
        Hypothesis(f"between backward and the update {what} are {by}", on_steps(partial(_updated_from, k=k, of=of)), 1)
        for what, of in told.values()
    ]


def _trained(step: Watched) -> list[bool]:
    return [trains and g is not None for trains, g in zip(step.trainable, step.gradients, strict=True)]


def _updated_from(step: Watched, k: float, of: Callable[[Watched], list[bool]]) -> list[Array]:
    """Return U from weights some of which are multiplied by k, with the gradients at the weights as they were."""
    moved = [k * b if mine else b for b, mine in zip(step.before, of(step), strict=True)]
    return step.run.update(moved, step.gradients, step.state, step.settings)


def _multiplied(k: float, *, frozen: bool) -> Callable[[Watched], Weights]:
    return lambda step: [
        k * e if frozen or trains else e for e, trains in zip(step.expected, step.trainable, strict=True)
    ]


def _some_are_right(failures: Sequence[Failure]) -> bool:
    """Say whether any first wrong step has a parameter that moves and is right.

    A parameter that U leaves in place does not count: any factor fits it.
    """
    steps = [failure.first.step for failure in failures]
    return any(moves and not step.wrong_at(i) for step in steps for i, moves in enumerate(step.moved_by_u()))


def _of_wrong(one: Known, first: Watched) -> Hypothesis:
    """Return the hypothesis that the wrong parameters move k times as far, and that all others are right."""

    def rival(moment: Moment) -> Weights:
        step, k = moment.step, one.factor(moment)
        pairs = enumerate(zip(step.before, step.expected, strict=True))
        return [b + k * (e - b) if step.wrong_at(i) else e for i, (b, e) in pairs]

    wrong = [name for i, name in enumerate(first.names) if first.wrong_at(i)]
    whole = all(first.wrong_at(i) for i, moves in enumerate(first.moved_by_u()) if moves)
    text = f"some parameters {one.several}, all others are right; in the largest example {several(wrong)}"
    if whole:
        text = f"at some steps all parameters {one.several}, at the others they are right"
    return Hypothesis(text, rival, one.constants, UNSPECIFIC.get(one.clause, one.clause), broad=3, about_rest=True)


def _by_position(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses that the factor changes by the same ratio from each parameter to the next.

    One of them counts all parameters, the other only the trainable ones.
    """
    step = max((failure.first.step for failure in failures), key=lambda s: len(s.names))
    seen = {i: k for i in range(len(step.names)) if (k := factor_of(step, i)) is not None}
    if len(seen) < FEWEST_POSITIONS or len({round(k, 6) for k in seen.values()}) < FEWEST_POSITIONS:
        return []
    (a, ka), (b, kb) = list(seen.items())[:2]
    if ka * kb <= 0:
        return []
    ratio = (kb / ka) ** (1 / (b - a))
    text = (
        f"the learning rate changes from parameter to parameter: each one's is {number(ratio)} times that of the one "
        "before it"
    )

    def scaled(step: Watched, counted: Sequence[bool]) -> Weights:
        places = [sum(counted[:i]) for i in range(len(counted))]
        triples = zip(places, step.before, step.expected, strict=True)
        return [w + ka * ratio ** (place - a) * (e - w) for place, w, e in triples]

    return [
        Hypothesis(text, on_steps(lambda s: scaled(s, [True] * len(s.names))), 2),
        Hypothesis(text, on_steps(lambda s: scaled(s, s.trainable)), 2),
    ]


def table(moment: Moment) -> str | None:
    """List the parameters that move by a factor, with the factor; None if there are none or all factors are 1."""
    step, told = moment.step, dict[str, list[str]]()
    if not any(step.moved()):
        return f"nothing moves at step {step.number}{_before_any_gradient(moment)}"
    for i, name in enumerate(step.names):
        if (k := factor_of(step, i)) is not None:
            told.setdefault(number(k), []).append(name)
    if not told or list(told) == ["1"]:
        return None
    if len(told) == 1 and _show_it_all(step, next(iter(told.values()))):
        return f"all parameters move {next(iter(told))} times as far at step {step.number}"
    return "; ".join(f"{several(names)}: {_far(k)}" for k, names in told.items())


def _before_any_gradient(moment: Moment) -> str:
    """Return that the optimizer had nothing to go by, where that was seen."""
    seen = moment.seen
    without = seen is not None and seen.calls_without_gradients
    return ": the optimizer was called before any gradient existed" if without else ""


def _show_it_all(step: Watched, names: Sequence[str]) -> bool:
    """Say whether these are all parameters that U moves, and more than one number: of one number, all is parallel."""
    moves = [name for name, should in zip(step.names, step.moved_by_u(), strict=True) if should]
    single = {name for name, w in zip(step.names, step.before, strict=True) if w.size < 2}
    return bool(names) and set(moves) - single <= set(names)


def _far(k: str) -> str:
    return {"0": "not moved", "1": "right"}.get(k, f"moved {k} times as far")

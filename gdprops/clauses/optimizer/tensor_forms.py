"""Chapter optimizer, continued: tensors of every form, and every implementation of one rule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE, SEPARABLE, coupled, implementations_of, is_declared
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import SubjectCrash
from gdprops.model.clause import Level, Needs, View, clause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan, UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject, Run
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="optimizer.shapes",
    statement="A tensor's shape and size change nothing for an element-wise rule: every entry moves as in a flat and "
    "in a small tensor; no rule crashes on a shape that it takes.",
    source="Kernels that handle a last odd block apart; norms and factors that expect two dimensions.",
    decision="Element-wise rules: the joint step against each tensor flattened and alone, and against the same numbers "
    "in a tensor of thousands of entries: the same but for rounding; not where a changed entry of a large gradient "
    "changes others too, and nobody declares that none does: GaLore projects matrices above its rank. Others: no "
    "crash on shapes of all dimensions that the probe accepted, and on thousands of entries; nor is anything not "
    "finite beside an empty tensor that is finite without it.",
    view=View.OPTIMIZER,
    refuted_by=("skips-vectors", "forgets-the-rest-of-a-block", "averages-over-nothing"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=3)),
    needs=Needs(traits=(FED, REPEATABLE)),
)
def shapes(subject: FedSubject, case: UpdateCase) -> Evidence:
    seen, elementwise = workbench.feed(subject, case), subject.traits["separability"] == "element"
    large = _large(case, elementwise=elementwise)
    grown = workbench.feed(subject, large)
    if not elementwise:
        return _finite_beside_nothing(subject, case, seen)
    if not workbench.differ(seen[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    apart = [_small_again(case, weights) for weights in grown]
    what = "the same numbers over and over in a large tensor, against the small one"
    parts = [workbench.rounded_alike(case, part, seen, lambda other: workbench.feed(subject, other), what)
             for part in zip(*apart, strict=True)]  # fmt: skip
    if any(part.violated for part in parts) and _hangs_together(subject, large, grown):
        return workbench.vacuous("the entries of a large tensor hang together, those of a small one do not")
    if subject.traits.accepts("shapes", "1"):
        parts.append(_flattened(subject, case, seen))
    return workbench.combine(parts)


def _large(case: UpdateCase, *, elementwise: bool) -> UpdateCase:
    """Return the case with every tensor repeated along its first dimension, to thousands of entries.

    To hundreds for other rules: some decompose matrices of that size.
    """
    size = workbench.decisions.LARGE_TENSOR if elementwise else workbench.decisions.LARGE_MATRIX

    def grown(values: Array) -> Array:
        large = workbench.tiled(values, size)
        return large if elementwise else workbench.varied(large)

    return _each(case, grown)


def _finite_beside_nothing(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Evidence:
    """Ask for finite weights beside an empty tensor where they are finite without it: a mean over nothing is NaN."""
    empty = {i for i, w in enumerate(case.tensors) if not w.size}
    full = tuple(tuple(i for i in group if i not in empty) for group in case.plan.groups)
    if workbench.are_finite(seen[-1]) or not empty or not all(full):
        return workbench.agreement()
    without = workbench.feed(subject, case, replace(case.plan, groups=full))
    poisoned = workbench.are_finite(without[-1])
    return workbench.require(not poisoned, "beside an empty tensor the weights are not finite, without it they are")


def _hangs_together(subject: FedSubject, large: UpdateCase, grown: Sequence[Weights]) -> bool:
    """Say whether the last entry of every gradient moves other entries; where none is declared to, it does not."""
    if is_declared(subject, "separability"):
        return False
    changed = workbench.feed(subject, replace(large, gradients=workbench.each_gradient(large, _last_changed)))
    return any(
        workbench.differ([a.reshape(-1)[:-1]], [b.reshape(-1)[:-1]])
        for one, other in zip(changed, grown, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def _last_changed(gradient: Array) -> Array:
    changed = gradient.copy()
    changed.reshape(-1)[-1:] += 1
    return workbench.array(changed, like=gradient)


def _small_again(case: UpdateCase, weights: Weights) -> list[Weights]:
    """Return the first, a middle and the last copy of the small tensors."""
    return [[workbench.copy_of(w, like, place) for w, like in zip(weights, case.tensors, strict=True)]
            for place in (0.0, 0.5, 1.0)]  # fmt: skip


def _flattened(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Evidence:
    flat = _each(case, lambda values: values.reshape(-1))
    found = [
        [w.reshape(like.shape) for w, like in zip(weights, case.tensors, strict=True)]
        for weights in workbench.feed(subject, flat)
    ]
    return workbench.rounded_alike(
        case, found, seen, lambda other: workbench.feed(subject, other), "the same numbers in flat tensors"
    )


@clause(
    id="optimizer.mixed-dtypes",
    statement="Tensors of several dtypes in one group each move as they would alone.",
    source="Multi-tensor paths that group by device only; scratch tensors in the dtype of the first parameter.",
    decision="float32 and float64 tensors in one group, against each tensor alone: bytes at every step.",
    view=View.OPTIMIZER,
    refuted_by=("computes-in-the-first-dtype",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(mixed_always=True, unusual=False)),
    needs=Needs(traits=(FED, SEPARABLE, REPEATABLE), feature="float64 beside float32"),
)
def mixed_dtypes(subject: FedSubject, case: UpdateCase) -> Evidence:
    seen, names = workbench.feed(subject, case), workbench.names_of(case)
    if not workbench.differ(seen[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    parts = []
    for i, w in enumerate(case.tensors):
        alone = workbench.feed_alone(subject, w, [step[i] for step in case.gradients], case.plan, i)
        what = coupled(subject, f"{w.dtype} among others, against alone")
        parts += [
            workbench.same_bytes([s[i]], [a], names=[names[i]], what=what, step=t)
            for t, (s, a) in enumerate(zip(seen, alone, strict=True))
        ]
    return workbench.combine(parts)


@clause(
    id="optimizer.implementations",
    statement="Every implementation of one rule (loop, foreach, fused, differentiable, capturable) takes the same "
    "steps.",
    source="pytorch#78807: foreach AMSGrad never stored its maximum; pytorch#110454: a multi-tensor path that returns "
    "early; pytorch-image-models#2750: one that decays every parameter once per dtype.",
    decision="From the same start, and from the loop's saved state after every step, two steps of either: the same "
    "but for rounding (four times what ulps of the inputs change). An implementation that refuses a missing gradient "
    "aloud is not compared there.",
    view=View.OPTIMIZER,
    refuted_by=(
        "foreach-forgets-its-maximum",
        "foreach-stops-at-a-missing-gradient",
        "foreach-decays-once-per-dtype",
    ),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True, longest=12, mixed=True)),
    needs=Needs(traits=(FED, REPEATABLE), torch=True, feature="implementations"),
)
def implementations(subject: FedSubject, case: UpdateCase) -> Evidence:
    accepted = implementations_of(subject)
    flag = accepted[case.order[0] % len(accepted)]
    wide = all(w.dtype.itemsize == workbench.decisions.DOUBLE_BYTES for w in case.tensors)
    loop = replace(case.plan, options={**case.plan.options, **dict.fromkeys(accepted, False)}, wide=wide)
    other = replace(loop, options={**loop.options, flag: True})
    expected = workbench.feed(subject, case, loop)
    if not workbench.differ(expected[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    try:
        return _alike(subject, case, loop, other, expected, f"{flag}=True, against the loop")
    except SubjectCrash as crash:
        if any(g is None for step in case.gradients for g in step):
            return workbench.vacuous(f"{flag}=True refuses a missing gradient: {crash}")
        raise


def _alike(
    subject: FedSubject, case: UpdateCase, loop: Plan, other: Plan, expected: list[Weights], what: str
) -> Evidence:
    def by_the_loop(given: UpdateCase) -> list[Weights]:
        return workbench.feed(subject, given, replace(loop, rates=given.plan.rates))

    seen, (extra, rough) = workbench.feed(subject, case, other), _shares(subject, loop)
    whole = workbench.rounded_alike(case, seen, expected, by_the_loop, what, extra=extra, rough=rough)
    return workbench.combine([whole, *_from_saved_states(subject, case, loop, other, what)])


def _shares(subject: FedSubject, loop: Plan) -> tuple[float, float]:
    """Return the shares of the way that scalars in single precision, and whole tensors in bfloat16, account for.

    Sums over all parameters may be kept in single precision too, whatever these are.
    """
    reach, decisions = subject.traits["separability"], workbench.decisions
    sums = decisions.SINGLE_TOLERANCE if reach not in SEPARABLE[1] else 0.0
    extra = sums if loop.wide else decisions.SINGLE_SCALARS
    return extra, decisions.BFLOAT16_SHARE if reach != "element" else 0.0


def _from_saved_states(subject: FedSubject, case: UpdateCase, loop: Plan, other: Plan, what: str) -> list[Evidence]:
    """Load the loop's state into both after every step, and let both take two more."""
    run, parts = subject.start(case.tensors, loop), []
    extra, rough = _shares(subject, loop)
    for t in range(1, len(case.gradients) - 1):
        run.step(case.gradients[t - 1])
        part = replace(case, tensors=tuple(run.weights()), gradients=case.gradients[t : t + 2])

        def by_the_loop(given: UpdateCase, start: Run = run) -> list[Weights]:
            fresh = start.resumed(plan=loop)
            fresh.place(given.tensors)
            return workbench.feed_on(fresh, given.gradients)

        seen, expected = workbench.feed_on(run.resumed(plan=other), part.gradients), by_the_loop(part)
        said = f"{what}, from its state"
        parts.append(
            workbench.rounded_alike(part, seen, expected, by_the_loop, said, first=t, extra=extra, rough=rough)
        )
    return parts


@clause(
    id="optimizer.complex",
    statement="A complex parameter moves as its real and imaginary parts would as real parameters, or by a rule of "
    "the numbers' sizes, such as g/|g|.",
    source="torch documentation, complex numbers: a step on complex parameters is the step on their view_as_real(). "
    "pytorch#59998: Adam's g² of a complex gradient is no square of a size.",
    decision="Element-wise rules that take complex parameters: the run on complex tensors against the run on real ones "
    "with one dimension more: the same but for rounding (four times what ulps of the inputs change), at every step. "
    "Else a second run with all weights and gradients times (3 + 4i)/5: what goes by sizes turns with them.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("squares-complex-numbers",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True)),
    needs=Needs(
        traits=(FED, REPEATABLE, ("separability", ("element",)), ("shapes", ("any",))),
        torch=True,
        feature="complex parameters",
    ),
)
def complex_parameters(subject: FedSubject, case: UpdateCase) -> Evidence:
    pairs = _each(case, workbench.paired)
    expected = workbench.feed(subject, pairs)
    if not workbench.differ(expected[-1], pairs.tensors):
        return workbench.vacuous("nothing moves")
    seen = _on_complex_numbers(subject, pairs)
    what = "complex parameters, against their real and imaginary parts"
    found = workbench.rounded_alike(pairs, seen, expected, lambda other: workbench.feed(subject, other), what)
    return workbench.agreement() if found.violated and _turns_with(subject, pairs, seen) else found


def _on_complex_numbers(subject: FedSubject, pairs: UpdateCase) -> list[Weights]:
    seen = workbench.feed(subject, _each(pairs, workbench.complex_of))
    return [[workbench.pairs_of(w) for w in weights] for weights in seen]


def _turns_with(subject: FedSubject, pairs: UpdateCase, seen: Sequence[Weights]) -> bool:
    """Say whether the run turns in the plane as its weights and gradients do: g/|g| does, g² for |g|² does not."""

    def turned(weights: Iterable[Weights]) -> list[Weights]:
        return [[workbench.turned(w) for w in tensors] for tensors in weights]

    again = _on_complex_numbers(subject, _each(pairs, workbench.turned))
    return not workbench.rounded_alike(
        pairs, again, turned(seen), lambda other: turned(_on_complex_numbers(subject, other)), ""
    ).violated


def _each(case: UpdateCase, change: Callable[[Array], Array]) -> UpdateCase:
    """Return the case with every tensor and every gradient changed."""
    return replace(case, tensors=tuple(map(change, case.tensors)), gradients=workbench.each_gradient(case, change))


CLAUSES = (implementations, shapes, mixed_dtypes, complex_parameters)

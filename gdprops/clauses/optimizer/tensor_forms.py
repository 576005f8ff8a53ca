"""Chapter optimizer, continued: tensors of every shape, size and dtype, and every implementation of one rule.

The same numbers are put into tensors of another form (flat, large, complex, of two dtypes) or computed by another
implementation (foreach, fused). Example: the tensor (1, 2) repeated to thousands of entries must move like (1, 2);
a kernel that skips the last incomplete block of 64 entries does not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE, SEPARABLE, coupled, implementations_of, is_declared
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import SubjectCrash
from gdprops.model.clause import Needs, View, clause

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    statement="For a rule that works entry by entry, a tensor's shape and size change nothing: every entry moves as "
    "in a flat and in a small tensor. No rule crashes on a shape that it accepts.",
    source="Kernels that treat a last incomplete block of entries separately. Norms and factors that expect two "
    "dimensions.",
    decision="A rule that works entry by entry: the step is compared with the step on each tensor flattened, and "
    "with the step on tensors of thousands of entries that repeat the same numbers. They must agree but for "
    "rounding. An example is decisive when something moves. It decides nothing if the large tensors disagree and "
    "changing the last entry of a large gradient moves other entries too, unless the owner declares "
    "separability=element (GaLore projects matrices above its rank). Other rules: the step must not crash on shapes "
    "that the probe accepted, nor on tensors of hundreds of entries, and weights beside an empty tensor must be "
    "finite where they are finite without it, and a tensor without dimensions must not rest where a vector of one "
    "entry moves.",
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
        return workbench.combine([_finite_beside_nothing(subject, case, seen), _moves_numbers(subject, case, seen)])
    if not workbench.differ(seen[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    apart = [_small_again(case, weights) for weights in grown]
    what = "the same numbers repeated in a large tensor, against the small tensor"
    parts = [workbench.rounded_alike(case, part, seen, lambda other: workbench.feed(subject, other), what)
             for part in zip(*apart, strict=True)]  # fmt: skip
    if any(part.violated for part in parts) and _couples_entries(subject, large, grown):
        return workbench.vacuous("the rule couples the entries of a large tensor, but not those of a small one")
    if subject.traits.accepts("shapes", "1"):
        parts.append(_flattened(subject, case, seen))
    return workbench.combine(parts)


def _large(case: UpdateCase, *, elementwise: bool) -> UpdateCase:
    """Return the case with every tensor repeated along its first dimension, to thousands of entries.

    Rules that do not work entry by entry get hundreds of entries, because some of them decompose matrices.
    """
    size = workbench.decisions.LARGE_TENSOR if elementwise else workbench.decisions.LARGE_MATRIX

    def grown(values: Array) -> Array:
        large = workbench.tiled(values, size)
        return large if elementwise else workbench.varied(large)

    return workbench.changed_everywhere(case, grown)


def _finite_beside_nothing(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Evidence:
    """Return a violation if weights are finite only without the empty tensors: a mean over nothing is NaN."""
    empty = {i for i, w in enumerate(case.tensors) if not w.size}
    full = tuple(tuple(i for i in group if i not in empty) for group in case.plan.groups)
    if workbench.are_finite(seen[-1]) or not empty or not all(full):
        return workbench.agreement()
    without = workbench.feed(subject, case, replace(case.plan, groups=full))
    spoiled = workbench.are_finite(without[-1])
    told = "beside an empty tensor the weights are not finite, without it they are"
    return workbench.require(not spoiled, told, workbench.FINITE)


def _moves_numbers(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Evidence:
    """Return a violation if a tensor without dimensions never moves, and as a vector of one entry it does."""
    if not subject.traits.accepts("shapes", "1"):
        return workbench.agreement()
    for i, (name, w) in enumerate(zip(workbench.names_of(case), case.tensors, strict=True)):
        if w.ndim == 0 and not any(workbench.differ([step[i]], [w]) for step in seen):
            steps = [step[i] for step in case.gradients]
            if workbench.differ([workbench.feed_alone(subject, w, steps, case.plan, i, flattened=True)[-1]], [w]):
                told = f"{name}, a single number of shape (), never moves; as a vector of one entry it does"
                return workbench.violation(told, blame=(name,), demand=workbench.must_move(i, w))
    return workbench.agreement()


def _couples_entries(subject: FedSubject, large: UpdateCase, grown: Sequence[Weights]) -> bool:
    """Say whether changing the last entry of every gradient moves other entries.

    Where the owner declares the separability, the answer is no.
    """
    if is_declared(subject, "separability"):
        return False
    changed = workbench.feed(subject, replace(large, gradients=workbench.each_gradient(large, _last_changed)))
    return any(
        workbench.differ([a.reshape(-1)[:-1]], [b.reshape(-1)[:-1]])
        for one, other in zip(changed, grown, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def _last_changed(gradient: Array) -> Array:
    """Return the gradient with a last entry as large as all others together: no norm of it can stay what it was."""
    changed = gradient.copy()
    changed.reshape(-1)[-1:] += 1 + abs(gradient).sum()
    return workbench.array(changed, like=gradient)


def _small_again(case: UpdateCase, weights: Weights) -> list[Weights]:
    """Return the first, a middle and the last copy of every small tensor in its large one."""
    return [[workbench.copy_of(w, like, place) for w, like in zip(weights, case.tensors, strict=True)]
            for place in (0.0, 0.5, 1.0)]  # fmt: skip


def _flattened(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Evidence:
    flat = workbench.changed_everywhere(case, lambda values: values.reshape(-1))
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
    source="Multi-tensor paths that group tensors by device only. Scratch tensors in the dtype of the first parameter.",
    decision="float32 and float64 tensors stand in one group. After every step each tensor must have the same bytes "
    "as in a run on it alone. An example is decisive when something moves.",
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
    source="pytorch/pytorch#78807: foreach AMSGrad never stored its maximum. pytorch/pytorch#110454: a multi-tensor "
    "path returns early. huggingface/pytorch-image-models#2750: a path that decays every parameter once per dtype.",
    decision="Two implementations of the rule, the loop and one other, are fed the same gradients: from the start, "
    "and again for two steps each from the loop's saved state after every step. They must agree but for rounding: "
    "allowed is four times the change that one ulp in weights, gradients and rates makes, and a few ulps more. An "
    "example in which an implementation raises because a gradient is missing is not decisive.",
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
    """Return which shares of a tensor's way float32 scalars, and tensors computed in bfloat16, may account for.

    A rule that couples parameters may also keep its sums in float32, whatever the dtypes of the parameters.
    """
    reach, decisions = subject.traits["separability"], workbench.decisions
    sums = decisions.SINGLE_TOLERANCE if reach not in SEPARABLE[1] else 0.0
    extra = sums if loop.wide else decisions.SINGLE_SCALARS
    return extra, decisions.BFLOAT16_SHARE if reach != "element" else 0.0


def _from_saved_states(subject: FedSubject, case: UpdateCase, loop: Plan, other: Plan, what: str) -> list[Evidence]:
    """After every step of the loop, load its saved state into both implementations and compare two more steps."""
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


CLAUSES = (implementations, shapes, mixed_dtypes)

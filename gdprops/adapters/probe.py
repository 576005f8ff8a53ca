"""The probe: what kind of rule a subject is, measured once on fixed tensors and gradients.

What a trait switches off is a clause; so the probe also says how nearly a subject missed being plain gradient descent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.case import Plan
from gdprops.model.subject import Domain, Gradients
from gdprops.model.traits import RULES, Measured, Traits
from gdprops.numerics.comparison import differ
from gdprops.numerics.decisions import NEARLY_PARALLEL, PROBE_TOLERANCE, SINGLE_TOLERANCE

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.subject import Subject

FED = ("optimizer", "update-rule")
"""The kinds of subject that gdprops feeds."""
RATE = 0.125
STEPS = 4
OPTIONS: dict[str, float | bool] = {"weight_decay": 0.25, "momentum": 0.5, "maximize": True}
_SHAPES = {"0": (), "1": (3,), "2": (2, 3), "4": (2, 2, 1, 2)}


@final
@dataclass(slots=True)
class Probe:
    """What was measured so far, in order."""

    subject: Subject
    dtype: Any = np.float64
    found: dict[str, Measured] = field(default_factory=dict)

    def note(self, key: str, value: str, evidence: str) -> None:
        """Record a measurement."""
        self.found[key] = Measured(value, evidence)

    def tensors(self) -> list[Array]:
        """Return three tensors, two of equal shape, none zero."""
        values = np.linspace(-1.5, 2.0, 18).astype(self.dtype)
        return [values[:6].reshape(2, 3), values[6:12].reshape(2, 3), values[12:].reshape(3, 2)]

    def gradients(self, step: int) -> list[Array]:
        """Return gradients that differ at every step, in sign too."""
        waves = [np.cos(np.arange(6) * (k + 1.3) + step * 1.7 + k) + 0.3 for k in range(3)]
        return [w.astype(self.dtype).reshape(t.shape) for w, t in zip(waves, self.tensors(), strict=True)]

    def run(self, plan: Plan, tensors: Sequence[Array], gradients: Sequence[Gradients]) -> list[list[Array]]:
        """Return the weights after every step."""
        run = self.subject.start(tensors, plan)
        seen = []
        for step in gradients:
            run.step(step)
            seen.append(run.weights())
        return seen

    def trajectory(self, plan: Plan | None = None) -> list[list[Array]]:
        """Return the probe's own four steps."""
        return self.run(plan or self.plan(), self.tensors(), [self.gradients(t) for t in range(STEPS)])

    def plan(self, rate: float = RATE) -> Plan:
        """Return all three tensors in one group, at a rate of ours where there is access to one."""
        return Plan(((0, 1, 2),), (rate,)) if self.has_rate() else Plan(((0, 1, 2),))

    def has_rate(self) -> bool:
        """Say whether the learning rate can be read."""
        return self.subject.start(self.tensors(), Plan(((0, 1, 2),))).rates()[0] is not None


def measure(subject: Subject) -> tuple[Traits, Domain]:
    """Return a subject's traits and what its cases may contain."""
    probe = Probe(subject)
    _inputs(probe)
    if probe.found["inputs"].value != "gradient":
        return _conclude(probe, "no"), Domain(precisions=(53,))
    plain = "no"
    try:
        _dtypes(probe)
        plain = _plainness(probe)
        for part in (_randomness, _separability, _rate_response, _shapes):
            part(probe)
    except SubjectCrash as crash:
        probe.note("inputs", "gradient", f"the probe did not finish: {crash}")
    return _conclude(probe, plain), _domain(probe, plain)


def probe(subject: Subject) -> Traits:
    """Return a subject's traits, measured or declared.

    Raises `UsageError` for a subject that gdprops does not feed: it has no traits.
    """
    if subject.kind not in FED:
        raise UsageError(f"{subject.name} is a {subject.kind}; traits are measured on {' and '.join(FED)} subjects")
    return measure(subject)[0]


def _conclude(probe: Probe, plain: str) -> Traits:
    stated = {**_claimed_by_the_rule(probe), **probe.subject.declared}
    conflicts = tuple(
        f"{key} is declared {claim.value} but measures {probe.found[key].value}"
        for key, claim in stated.items()
        if key in probe.found and probe.found[key].value != claim.value
    )
    return Traits({**probe.found, **stated}, plain, conflicts)


def _claimed_by_the_rule(probe: Probe) -> dict[str, Measured]:
    """Return what the declared rule says of the traits that were measured; a rate that cannot be seen stays so."""
    rule = probe.subject.rule or ""
    measured = {key: seen for key, seen in probe.found.items() if seen.value != "own-schedule"}
    return {
        key: Measured(value, f"declared: rule {rule}; {measured[key].evidence}", declared=True)
        for key, value in RULES.get(rule, {}).items()
        if key in measured
    }


def _attempt(action: Callable[[], object]) -> SubjectCrash | None:
    try:
        action()
    except SubjectCrash as crash:
        return crash
    return None


def _inputs(probe: Probe) -> None:
    """Find out what a step must be given.

    A first step that raises without a closure and works with one needs a closure; one that says "sparse", sparse
    gradients.
    """
    crash = _attempt(lambda: probe.run(Plan(((0, 1, 2),)), probe.tensors(), [probe.gradients(0)]))
    if crash is None:
        probe.note("inputs", "gradient", "step() after assigning .grad works")
    elif "sparse" in str(crash.error).lower():
        probe.note("inputs", "sparse", str(crash))
    elif any(words in str(crash.error) for words in ("leaf Variable that requires grad", "capturable")):
        probe.note("inputs", "create-graph", str(crash))
    elif _works_with_closure(probe):
        probe.note("inputs", "closure", str(crash))
    else:
        probe.note("inputs", "gradient", f"the probe crashed: {crash}")


def _works_with_closure(probe: Probe) -> bool:
    run = probe.subject.start(probe.tensors(), Plan(((0, 1, 2),)))
    gradients = probe.gradients(0)
    try:
        run.step_closure(lambda w: (float(sum((a * g).sum() for a, g in zip(w, gradients, strict=True))), gradients))
    except (SubjectCrash, Unsupported):
        return False
    return True


def _dtypes(probe: Probe) -> None:
    accepted = []
    for name in ("float64", "float32"):
        trial = Probe(probe.subject, np.dtype(name))
        if _attempt(trial.trajectory) is None and trial.trajectory()[-1][0].dtype == np.dtype(name):
            accepted.append(name)
    if accepted:
        probe.dtype = np.dtype(accepted[0])
        probe.note("dtypes", "+".join(accepted), "four steps on tensors of each dtype")


def _plainness(probe: Probe) -> str:
    """Return "yes", a near miss in words, or "no": is every displacement -eta g, for every tensor, at every step?"""
    rate = RATE if probe.has_rate() else probe.subject.own_rate
    if rate is None:
        return "no"
    before, factors = probe.tensors(), []
    for t, after in enumerate(probe.trajectory()):
        pairs = zip(before, after, probe.gradients(t), strict=True)
        factors.append([_factor(b, a, -rate * g) for b, a, g in pairs])
        before = after
    return _describe_factors(factors)


def _factor(before: Array, after: Array, expected: Array) -> float | None:
    """Return k with after - before = k * expected, or None where they are not parallel."""
    moved = (after.astype(float) - before.astype(float)).ravel()
    wanted = expected.astype(float).ravel()
    k = float(moved @ wanted / (wanted @ wanted))
    room = max(NEARLY_PARALLEL if before.dtype == np.float32 else PROBE_TOLERANCE, 1e-12)
    if np.abs(moved - k * wanted).max() > max(room, NEARLY_PARALLEL * (before.dtype == np.float32)) * max(abs(k), 1):
        return None
    return 1.0 if abs(k - 1) < room * 10 else k


def _describe_factors(factors: list[list[float | None]]) -> str:
    every = [k for step in factors for k in step]
    if all(k == 1.0 for k in every):
        return "yes"
    known = [k for k in every if k is not None]
    if len(known) == len(every) and known and max(known) - min(known) <= NEARLY_PARALLEL * abs(known[0]):
        return f"nearly: every displacement is {known[0]:.9g} times -eta g"
    tensors = [[step[i] for step in factors] for i in range(len(factors[0]))]
    if any(all(k == 1.0 for k in tensor) for tensor in tensors):
        plain = sum(all(k == 1.0 for k in tensor) for tensor in tensors)
        return f"nearly: {plain} of {len(tensors)} tensors move by -eta g at every step, the others do not"
    if any(all(k == 1.0 for k in step) for step in factors[1:]):
        steps = [t + 1 for t, step in enumerate(factors) if all(k == 1.0 for k in step)]
        return f"nearly: every tensor moves by -eta g at step {', '.join(map(str, steps))} only"
    return "no"


def _randomness(probe: Probe) -> None:
    """Every run starts from the same global random numbers: what differs then is drawn privately."""
    first, again = probe.trajectory()[-1], probe.trajectory()[-1]
    elsewhere = probe.trajectory(replace(probe.plan(), seed=1))[-1]
    value = "private" if differ(first, again) else "global" if differ(first, elsewhere) else "none"
    probe.note("randomness", value, "the same four steps twice, and from other global random numbers")


def _separability(probe: Probe) -> None:
    """Disturb one entry of each tensor, gently, violently and to nothing, and see how far the disturbance spreads.

    A coupling by design treats all parameters of its group alike. One that reaches some tensors and not others is no
    separability: it is printed, and the clauses about order and grouping still apply.
    """
    plan = probe.plan()
    spread = _spread(probe, plan)
    between = [(i, j) for i in range(3) for j in range(3) if i != j and spread[i][j]]
    what = "one entry of each weight and gradient disturbed, four times"
    if between and len(between) < 6:
        uneven = ", ".join(f"tensor {i + 1} on tensor {j + 1}" for i, j in between)
        probe.note("separability", "tensor", f"nearly: an uneven coupling ({uneven}); {what}")
    elif between:
        probe.note("separability", "group" if _stays_in_group(probe) else "all", what)
    else:
        probe.note("separability", "tensor" if any(spread[i][i] for i in range(3)) else "element", what)


def _spread(probe: Probe, plan: Plan) -> list[list[bool]]:
    """Return whether disturbing an entry of tensor i reaches tensor j (on the diagonal: its other entries)."""
    base = probe.trajectory(plan)[-1]
    found = [[False] * 3 for _ in range(3)]
    for i in range(3):
        for factor in (3.0, 1000.0, 0.0, -1.0):
            other = _disturbed(probe, plan, i, factor)
            for j in range(3):
                first = 1 if i == j else 0
                found[i][j] |= differ([base[j].ravel()[first:]], [other[j].ravel()[first:]])
    return found


def _stays_in_group(probe: Probe) -> bool:
    """Say whether a disturbance of the first of two groups leaves the second alone."""
    split = Plan(((0, 1), (2,)), (RATE, RATE)) if probe.has_rate() else Plan(((0, 1), (2,)))
    grouped = _grouped(probe, split)
    return grouped is not None and not any(
        differ(grouped[2:], _disturbed(probe, split, 0, factor)[2:]) for factor in (3.0, 1000.0)
    )


def _disturbed(probe: Probe, plan: Plan, tensor: int, factor: float) -> list[Array]:
    tensors, gradients = probe.tensors(), [probe.gradients(t) for t in range(STEPS)]
    tensors[tensor] = _scaled(tensors[tensor], factor or 0.5)
    for step in gradients:
        step[tensor] = _scaled(step[tensor], factor)
    return probe.run(plan, tensors, gradients)[-1]


def _scaled(values: Array, factor: float) -> Array:
    changed = values.copy()
    changed.flat[0] *= factor
    return changed


def _grouped(probe: Probe, split: Plan) -> list[Array] | None:
    """Return the weights after four steps in two groups, or None where several groups are refused."""
    try:
        return probe.trajectory(split)[-1]
    except (SubjectCrash, Unsupported):
        return None


def _rate_response(probe: Probe) -> None:
    """From one and the same state, compare the displacements at eta, 2 eta and 8 eta."""
    if not probe.has_rate():
        probe.note("lr_response", "own-schedule", "there is no learning rate to read or set")
        return
    found = {_response_at(probe, t) for t in range(STEPS)}
    value = found.pop() if len(found) == 1 else "nonlinear"
    probe.note("lr_response", value, "each of four steps at 1, 2 and 10 times the rate, from the same state")


def _response_at(probe: Probe, t: int) -> str:
    once, slow = _displacement(probe, t, 1.0)
    others = [_displacement(probe, t, c) for c in (2.0, 10.0)]
    size = max(float(np.abs(m).max(initial=0)) for m in others[-1][0]) or 1.0
    room = (SINGLE_TOLERANCE if probe.dtype == np.float32 else PROBE_TOLERANCE) * size
    if all(_near(moved, [rate / slow * m for m in once], room) for moved, rate in others):
        return "linear"
    return "ignored" if all(_near(moved, once, room) for moved, _ in others) else "nonlinear"


def _near(a: Sequence[Array], b: Sequence[Array], room: float) -> bool:
    return all(float(np.abs(x - y).max(initial=0)) <= room for x, y in zip(a, b, strict=True))


def _displacement(probe: Probe, last: int, factor: float) -> tuple[list[Array], float]:
    """Return one step's displacement, and the rate in force: a float32 store rounds it."""
    run = probe.subject.start(probe.tensors(), probe.plan())
    for t in range(last):
        run.step(probe.gradients(t))
    before = run.weights()
    run.scale_rate(factor)
    rate = run.rates()[0] or RATE * factor
    run.step(probe.gradients(last))
    return [a.astype(float) - b.astype(float) for a, b in zip(run.weights(), before, strict=True)], rate


def _shapes(probe: Probe) -> None:
    accepted: list[str] = []
    refused: list[str] = []
    for dimensions, shape in _SHAPES.items():
        ones = np.ones(shape, dtype=probe.dtype)
        plan = Plan(((0,),), (RATE,)) if probe.has_rate() else Plan(((0,),))
        crash = _attempt(lambda ones=ones, plan=plan: probe.run(plan, [ones], [[ones], [ones]]))  # type: ignore[misc] # bound now
        (accepted if crash is None else refused).append(dimensions)
    value = "any" if not refused else "+".join(accepted) or "2"
    probe.note(
        "shapes", value, f"two steps on tensors of 0, 1, 2 and 4 dimensions; refused: {', '.join(refused) or 'none'}"
    )


def _domain(probe: Probe, plain: str) -> Domain:
    """Return what cases may contain. A 2-D float tensor is always among it: that refusal is a violation."""
    dtypes = probe.found["dtypes"].value.split("+") if "dtypes" in probe.found else ["float64"]
    shapes = probe.found["shapes"].value if "shapes" in probe.found else "any"
    rate = "lr_response" not in probe.found or probe.found["lr_response"].value != "own-schedule"
    return Domain(
        precisions=tuple(53 if dtype == "float64" else 24 for dtype in dtypes),
        dimensions=None if shapes == "any" else frozenset({2, *map(int, shapes.split("+"))}),
        rate=rate,
        groups=_grouped(probe, Plan(((0, 1), (2,)), (RATE, RATE / 2) if rate else None)) is not None,
        plain=probe.subject.rule == "sgd" or plain == "yes",
        options={key: value for key, value in OPTIONS.items() if _accepts(probe, key, value, rate=rate)},
        empty=_accepts_empty(probe, rate=rate),
    )


def _accepts(probe: Probe, key: str, value: float | bool, *, rate: bool) -> bool:
    plan = Plan(((0, 1, 2),), (RATE,) if rate else None, {key: value})
    return probe.subject.accepts(key) and _attempt(lambda: probe.trajectory(plan)) is None


def _accepts_empty(probe: Probe, *, rate: bool) -> bool:
    empty, full = np.zeros((0,), dtype=probe.dtype), np.ones((2, 2), dtype=probe.dtype)
    plan = Plan(((0, 1),), (RATE,) if rate else None)
    return _attempt(lambda: probe.run(plan, [empty, full], [[empty, full]])) is None

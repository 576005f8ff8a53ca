"""The probe: what kind of rule a subject is, measured once on fixed tensors and gradients.

A trait switches clauses off, so a wrong subject could escape by measuring as something else. The probe therefore also
says how nearly a subject missed being plain gradient descent, for example "nearly: every displacement is 2 times -eta
g".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.case import Plan
from gdprops.model.domain import Domain
from gdprops.model.subject import Delivery, step_with_closure
from gdprops.model.traits import RULES, Measured, Traits, rule_of
from gdprops.numerics.comparison import differ
from gdprops.numerics.decisions import DOUBLE
from gdprops.subjects.probe.accepted_forms import FORMS, dtypes
from gdprops.subjects.probe.case_domain import domain_of, note_coupling_options
from gdprops.subjects.probe.clock import clock
from gdprops.subjects.probe.edge_cases import EDGES
from gdprops.subjects.probe.experiment import ALL, Probe, attempt
from gdprops.subjects.probe.plain_descent import plainness
from gdprops.subjects.probe.randomness import randomness
from gdprops.subjects.probe.rate_response import rate_response
from gdprops.subjects.probe.separability import PAIR, separability

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.subject import FedSubject

LOSSES = (0.0, 64.0)
"""The losses that two closures return with equal gradients."""
SKIPPED = 64.0
"""The divisor that makes gradients so small that no step is skipped for their size."""
NO_PROCESSES = "process group has not been initialized"
"""The words in torch.distributed's error: such a step is not wrong, it only runs without other processes."""


def measure(subject: FedSubject) -> tuple[Traits, Domain]:
    """Return a subject's traits, and what its cases may contain."""
    probe = Probe(subject)
    inputs(probe)
    if probe.value("inputs") == "closure":
        probe = Probe(subject.prepared(Traits(probe.found), subject.calls), found=probe.found)
        attempt(lambda: randomness(probe))
    if probe.value("inputs") not in ("gradient", "loss"):
        return _conclude(probe, "no"), _other_domain(probe)
    plain = "no"
    try:
        dtypes(probe)
        plain = plainness(probe)
        for part in (randomness, separability, rate_response, clock, *FORMS, *EDGES):
            part(probe)
    except SubjectCrash as crash:
        probe.note("inputs", "gradient", f"the probe did not finish: {crash}")
    domain = domain_of(probe, plain)
    note_coupling_options(probe, domain.options)
    return _conclude(probe, plain), domain


def _other_domain(probe: Probe) -> Domain:
    """Return the domain of the cases for a subject that does not take dense gradients."""
    groups = attempt(lambda: probe.subject.start(probe.tensors(), Plan(PAIR))) is None
    without = probe.subject.without_objects
    if probe.value("inputs") != "closure":
        return Domain(precisions=(DOUBLE,), groups=groups, without_objects=without)
    closure = frozenset({"closure"})
    return Domain(precisions=(DOUBLE,), groups=groups, features=closure, waits=probe.waits(), without_objects=without)


def probe(subject: FedSubject) -> Traits:
    """Return a subject's traits, measured or declared."""
    return measure(subject)[0]


def _conclude(probe: Probe, plain: str) -> Traits:
    stated = {**_claimed_by_the_rule(probe), **probe.subject.declared}
    conflicts = tuple(
        f"{key} is declared {claim.value} but measures {probe.value(key)}"
        for key, claim in stated.items()
        if key in probe.found and probe.value(key) != claim.value
    )
    return Traits({**probe.found, **stated}, plain, conflicts)


def _claimed_by_the_rule(probe: Probe) -> dict[str, Measured]:
    """Return the trait values that the declared rule implies, for the traits that were measured.

    A learning rate that cannot be seen stays "own-schedule", whatever the rule implies.
    """
    rule = probe.subject.rule or ""
    measured = {key: seen for key, seen in probe.found.items() if seen.value != "own-schedule"}
    return {
        key: Measured(value, f"declared: rule {rule}; {measured[key].evidence}", declared=True)
        for key, value in RULES.get(rule_of(rule), {}).items()
        if key in measured
    }


def inputs(probe: Probe) -> None:
    """Find out what a step must be given.

    Where the first step raises, further trials decide: a step that works with a closure needs a closure; one whose
    error says "sparse" needs sparse gradients; one that moves two square matrices but neither of them alone needs
    pairs. Raises `UsageError` for a step that needs a process group: nothing can be said of it here.
    """
    try:
        probe.run(Plan((ALL,)), probe.tensors(), [probe.gradients(0)])
    except SubjectCrash as crash:
        if NO_PROCESSES in str(crash.error):
            raise UsageError(
                f"{probe.subject.name}: step() needs torch.distributed, and there is no process group; "
                "call torch.distributed.init_process_group() where the optimizer is built, or check the variant of the "
                "optimizer that needs no process group"
            ) from crash
        probe.note("inputs", _wanted(probe, crash), str(crash))
    else:
        _note_the_loss(probe)


def _note_the_loss(probe: Probe) -> None:
    """Step with closures that return equal gradients but different losses, and note whether the loss matters."""
    works = "step() after assigning .grad works"
    try:
        low, high = (_by_closures(probe, loss) for loss in LOSSES)
    except (SubjectCrash, Unsupported):
        probe.note("inputs", "gradient", works)
        return
    listens = differ(low, high)
    miss = "; nearly: step(closure) with the same gradients moves the weights differently for another loss"
    probe.note("inputs", "loss" if listens else "gradient", works + miss * listens)


def _by_closures(probe: Probe, loss: float) -> list[Array]:
    run = probe.subject.start(probe.tensors(), Plan((ALL,)))
    for t, gradients in enumerate(probe.steps()):
        run.step_closure(lambda _, t=t, g=gradients: (loss / (t + 1), g))  # type: ignore[misc] # bound now
    return run.weights()


def _wanted(probe: Probe, crash: SubjectCrash) -> str:
    """Return what a step that raised needs instead; "gradient", with its crash reported, where no trial helps."""
    if "sparse" in str(crash.error).lower():
        return "sparse"
    if attempt(lambda: _with_graph(probe)) is None:
        return "create-graph"
    if _takes_pairs(probe):
        return "pairs"
    refused = attempt(lambda: _with_closure(probe))
    otherwise = isinstance(refused, SubjectCrash) and str(refused.error) != str(crash.error)
    return "closure" if refused is None or otherwise else "gradient"


def _takes_pairs(probe: Probe) -> bool:
    """Say whether two square matrices move together that do not move alone, because they are factors of one matrix."""
    squares = [w[:2, :2] for w in probe.tensors()[:2]]
    steps = [[g[:2, :2] / SKIPPED for g in gradients[:2]] for gradients in probe.steps()]
    try:
        both = probe.run(Plan(((0, 1),)), squares, steps)[-1]
        alone = [probe.run(Plan(((0,),)), [w], [[g[i]] for g in steps])[-1] for i, w in enumerate(squares)]
    except SubjectCrash:
        return False
    moved = [differ([a], [w]) for a, w in zip(both, squares, strict=True)]
    return all(moved) and not any(differ(a, [w]) for a, w in zip(alone, squares, strict=True))


def _with_graph(probe: Probe) -> None:
    probe.subject.start(probe.tensors(), Plan((ALL,))).step(probe.gradients(0), Delivery.GRAPH)


def _with_closure(probe: Probe) -> None:
    step_with_closure(probe.subject.start(probe.tensors(), Plan((ALL,))), probe.gradients(0))

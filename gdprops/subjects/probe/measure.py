"""The probe: what kind of rule a subject is, measured once on fixed tensors and gradients.

A trait switches clauses off, so a wrong subject could escape by measuring as something else. The probe therefore also
says how nearly a subject missed being plain gradient descent, for example "nearly: every displacement is 2 times -eta
g".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported, UsageError, text_of
from gdprops.model.case import Plan
from gdprops.model.domain import Domain
from gdprops.model.measurement import Measurement
from gdprops.model.note import Note
from gdprops.model.subject import CALLED_BLINDLY, Delivery, linear
from gdprops.model.traits import DECAYS, RULES, UNMEASURED, Measured, Traits, rule_of
from gdprops.model.wording import on_one_line, plural
from gdprops.numerics.comparison import are_finite, differ
from gdprops.numerics.decisions import DOUBLE, MODERATE_GRADIENTS, SINGLE
from gdprops.numerics.published.rule_hyperparameters import bind
from gdprops.numerics.published.table import PUBLISHED
from gdprops.subjects.probe.accepted_forms import FORMS, dtypes
from gdprops.subjects.probe.case_domain import domain_of, note_coupling_options
from gdprops.subjects.probe.edge_cases import EDGES
from gdprops.subjects.probe.experiment import ALL, Probe, attempt
from gdprops.subjects.probe.plain_descent import plainness
from gdprops.subjects.probe.randomness import randomness
from gdprops.subjects.probe.rate_response import rate_response
from gdprops.subjects.probe.separability import PAIR, separability
from gdprops.subjects.probe.step_counter import clock
from gdprops.subjects.user_code.crashes import FAULTS_OF_THE_CODE, raised_for_a_while, said_of
from gdprops.subjects.user_code.place import place_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.subject import FedSubject

LOSSES = (0.0, 64.0)
"""The losses that two closures return with equal gradients."""
SKIPPED = 64.0
"""The divisor that makes gradients so small that no step is skipped for their size."""
GENERAL, FINITE = "step.simultaneous", "optimizer.finite"
"""The clauses that judge a subject which no other one can examine."""
NO_PROCESSES = "process group has not been initialized"
"""The words in torch.distributed's error: such a step is not wrong, it only runs without other processes."""


def measurement(subject: FedSubject) -> Measurement:
    """Return a subject's traits, what its cases may contain, and what is told of it as a whole."""
    probe = Probe(subject)
    inputs(probe)
    if probe.undriven is not None:
        return undriven(probe.undriven)
    infinite = _is_not_finite(probe) if probe.value("inputs") in ("gradient", "loss") else ""
    if infinite:
        return Measurement(barred=f"{infinite}: {FINITE} says where", judged_by=FINITE)
    traits, domain = _measured(probe)
    return Measurement(traits, domain, tuple(_notes(probe, domain)), unsteady=probe.unsteady is not None)


def undriven(crash: SubjectCrash) -> Measurement:
    """Return what is known of a subject whose first step raises, however it is fed."""
    said, named = said_of(crash), isinstance(crash.error, FAULTS_OF_THE_CODE)
    note = Note(f"cannot be driven by a plain gradient: {said}", *(place_of(crash.error) or ()))
    return Measurement(Traits(plain=UNMEASURED), notes=(note,), barred=said, judged_by=GENERAL if named else "")


def _is_not_finite(probe: Probe) -> str:
    """Return what the first step gives where that is not finite, at the user's own hyperparameters."""
    gradients = [np.sign(g) * np.clip(np.abs(g), *MODERATE_GRADIENTS) for g in probe.gradients(0)]
    try:
        seen = probe.run(Plan((ALL,)), probe.tensors(), [gradients])[-1]
    except (SubjectCrash, Unsupported):
        return ""
    return "" if are_finite(seen) else "the first step gives weights that are not finite"


def _notes(probe: Probe, domain: Domain) -> Iterator[Note]:
    """Yield what is worth knowing of a subject beside its traits."""
    if probe.unsteady is not None:
        yield raised_for_a_while(probe.unsteady)
    crash = probe.only_single
    if crash is not None:
        place = place_of(crash.error)
        yield Note(
            f"examined in float32 only: in float64 {crash.doing} raised {type(crash.error).__name__}: "
            f"{on_one_line(crash.error)}",
            *(place or ()),
        )
    if probe.value("computes") == "float32":
        yield Note("computes in float32 where parameters are float64: examined in float32 only")
    raised: dict[str, list[str]] = {}
    for refused, refusal in probe.refused_shapes.items():
        raised.setdefault(said_of(refusal), []).append(refused)
    for said, dimensions in raised.items():
        yield Note(f"tensors with {' or '.join(dimensions)} dimensions were not examined: {said}")
    if domain.waits:
        yield Note(f"the first {plural(domain.waits, 'step')} moved nothing; it moves at step {domain.waits + 1}")


def _measured(probe: Probe) -> tuple[Traits, Domain]:
    subject = probe.subject
    if probe.value("inputs") == "closure":
        probe = Probe(subject.prepared(Traits(probe.found), subject.calls), probe.dtype, found=probe.found)
        attempt(lambda: randomness(probe))
    if probe.value("inputs") not in ("gradient", "loss"):
        return _conclude(probe, "no"), _other_domain(probe)
    plain, unmeasured = UNMEASURED, ""
    try:
        dtypes(probe)
        plain = DECAYS if _decays_by_rule(probe) else plainness(probe)
        for part in (randomness, separability, rate_response, clock, *FORMS, *EDGES):
            part(probe)
    except SubjectCrash as crash:
        probe.note("inputs", "gradient", f"the probe did not finish: {crash}")
        unmeasured = f"not measured: {said_of(crash)}"
    domain = replace(domain_of(probe, plain), unmeasured=unmeasured)
    note_coupling_options(probe, domain.options)
    return _conclude(probe, plain), domain


def _other_domain(probe: Probe) -> Domain:
    """Return the domain of the cases for a subject that does not take dense gradients."""
    groups = attempt(lambda: probe.subject.start(probe.tensors(), Plan(PAIR))) is None
    without = probe.subject.without_objects
    precisions = (SINGLE if probe.dtype == np.float32 else DOUBLE,)
    if probe.value("inputs") != "closure":
        return Domain(precisions=precisions, groups=groups, without_objects=without)
    closure = frozenset({"closure"})
    return Domain(precisions=precisions, groups=groups, features=closure, waits=probe.waits(), without_objects=without)


def _decays_by_rule(probe: Probe) -> bool:
    """Say whether a subject declares the rule sgd and shows a decay of the weights, which that rule then has."""
    if probe.subject.rule != "sgd":
        return False
    shown = probe.subject.start(probe.tensors(), probe.plan()).hyperparameters()[0]
    return bool(bind(PUBLISHED["sgd"], {**shown, **probe.subject.hyperparameters}).settings["weight_decay"])


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
        if NO_PROCESSES in text_of(crash.error):
            raise UsageError(
                f"{probe.subject.name}: step() needs torch.distributed, and there is no process group; "
                "call torch.distributed.init_process_group() where the optimizer is built, or check the variant of the "
                "optimizer that needs no process group"
            ) from crash
        _note_what_works(probe, crash)
        _try_again(probe, crash)
    else:
        _note_the_loss(probe)


def _try_again(probe: Probe, crash: SubjectCrash) -> None:
    """Take the step that raised once more: where it works by now, nothing that was tried in between has cured it."""
    again = Probe(probe.subject)
    if attempt(lambda: again.run(Plan((ALL,)), again.tensors(), [again.gradients(0)])) is None:
        probe.dtype, probe.only_single, probe.undriven, probe.unsteady = again.dtype, None, None, crash
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


def _note_what_works(probe: Probe, crash: SubjectCrash) -> None:
    """Note by what a subject can be driven whose plain step raised: in float32, or by other inputs, in either dtype."""
    single = Probe(probe.subject, np.dtype("float32"))
    if attempt(lambda: single.run(Plan((ALL,)), single.tensors(), [single.gradients(0)])) is None:
        probe.dtype, probe.only_single = single.dtype, crash
        _note_the_loss(probe)
        return
    for trial in (probe, single):
        wanted = _wanted(trial, crash)
        if wanted:
            probe.dtype, probe.only_single = trial.dtype, None if trial is probe else crash
            probe.note("inputs", wanted, str(crash))
            return
    dtypes(probe)  # raises UsageError where fewer bits work
    probe.undriven = crash


def _wanted(probe: Probe, crash: SubjectCrash) -> str:
    """Return what a step that raised needs instead of a plain gradient; nothing where no trial helps."""
    if "sparse" in text_of(crash.error).lower():
        return "sparse"
    if attempt(lambda: _with_graph(probe)) is None:
        return "create-graph"
    if _takes_pairs(probe):
        return "pairs"
    if _asks_for_the_loss(probe, crash):
        return "closure"
    return "gradient" if attempt(lambda: _with_one_tensor(probe)) is None else ""


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


def _with_one_tensor(probe: Probe) -> None:
    probe.run(Plan(((0,),)), probe.tensors()[:1], [probe.gradients(0)[:1]])


def _asks_for_the_loss(probe: Probe, crash: SubjectCrash) -> bool:
    """Say whether a step works with a closure, or calls it and then raises another error than without one."""
    gradients, called = probe.gradients(0), False
    loss_and_gradients = linear(gradients)

    def closure(weights: Any) -> Any:
        nonlocal called
        called = True
        return loss_and_gradients(weights)

    def step() -> None:
        run = probe.subject.start(probe.tensors(), Plan((ALL,)))
        run.hand_over(gradients)
        run.step_closure(closure)

    refused = attempt(step)
    if isinstance(refused, SubjectCrash):
        otherwise = called and text_of(refused.error) != text_of(crash.error)
        return otherwise or CALLED_BLINDLY in str(refused)
    return refused is None

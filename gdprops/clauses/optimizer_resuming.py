"""Chapter optimizer, continued: saved state in files, and of parameters of low precision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.fed import FED, REPEATABLE, same_trajectory
from gdprops.clauses.lazy import lazy
from gdprops.errors import SubjectCrash
from gdprops.model.clause import Level, Needs, View, clause

if TYPE_CHECKING:
    from gdprops.clauses import workbench
    from gdprops.clauses.playing import Weights
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import Subject
else:
    workbench = lazy("gdprops.clauses.workbench")


@clause(
    id="optimizer.resume",
    statement="State saved after a step and loaded into a fresh optimizer on copies of the weights continues exactly, "
    "a changed learning rate included.",
    source="apex#766: param_groups detached after load; Megatron-LM#5976: counters advanced by a synthetic step.",
    decision="At least two more steps with and without the interruption, fed the same gradients: bytes at every step.",
    view=View.OPTIMIZER,
    refuted_by=("momentum-kept-on-self", "clock-kept-on-self", "loading-takes-a-step", "steps-old-groups"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(least_steps=3, most_steps=4, longest=100)),
    needs=Needs(traits=(FED, REPEATABLE)),
)
def resume(subject: Subject, case: UpdateCase) -> Evidence:
    return _resumes(subject, case, "resumed from its saved state")


@clause(
    id="optimizer.resume-weights-only",
    statement="The saved state survives a file that is read with weights_only=True.",
    source="torch.load reads nothing else by default since 2.6: strings, tensors and numbers, no classes.",
    decision="As optimizer.resume, through torch.save and torch.load(weights_only=True).",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("saves-objects", "momentum-kept-on-self"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(least_steps=3, most_steps=4)),
    needs=Needs(traits=(FED, REPEATABLE), torch=True),
)
def resume_weights_only(subject: Subject, case: UpdateCase) -> Evidence:
    try:
        return _resumes(subject, case, "resumed from a file read with weights_only=True", through_file=True)
    except SubjectCrash as crash:
        return workbench.violation(f"{crash.doing} does not work: {type(crash.error).__name__}: {crash.error}")


@clause(
    id="optimizer.resume-low-precision",
    statement="State of bfloat16 parameters that is kept in a higher precision is loaded in that precision.",
    source="pytorch#43706, #74424: load_state_dict casts every floating-point state to the parameter's dtype.",
    decision="As optimizer.resume, on bfloat16 parameters.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("keeps-its-mean-in-float32",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(least_steps=4, most_steps=5, options=False)),
    needs=Needs(traits=(FED, REPEATABLE), torch=True, feature="bfloat16"),
)
def resume_low_precision(subject: Subject, case: UpdateCase) -> Evidence:
    low = replace(case, plan=replace(case.plan, dtype="bfloat16"))
    return _resumes(subject, low, "bfloat16 parameters, resumed from saved state")


def _resumes(subject: Subject, case: UpdateCase, what: str, *, through_file: bool = False) -> Evidence:
    expected = _interrupted(subject, case, resumed=False)
    seen = _interrupted(subject, case, resumed=True, through_file=through_file)
    return same_trajectory(case, seen, expected, what)


def _interrupted(subject: Subject, case: UpdateCase, *, resumed: bool, through_file: bool = False) -> list[Weights]:
    """Step, halve the rate, save and load where ``resumed``, and go on."""
    run, at = subject.start(case.tensors, case.plan), len(case.gradients) - 2
    for gradients in case.gradients[:at]:
        run.step(gradients)
    run.scale_rate(0.5)
    run = run.resumed(through_file=through_file) if resumed else run
    seen = [run.weights()]
    for gradients in case.gradients[at:]:
        run.step(gradients)
        seen.append(run.weights())
    return seen


CLAUSES = (resume, resume_weights_only, resume_low_precision)

"""Chapter optimizer, continued: a run that is saved and resumed continues exactly.

Each clause compares two runs on the same gradients: one goes on, the other is saved, loaded into a fresh optimizer and
then goes on. Whatever an optimizer keeps outside its state_dict (a warm-up flag on ``self``, a counter) is lost in the
second run, and shows at its next step. The variants read the state from a file, or keep parameters in bfloat16.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import FED, FED_ALSO_BY_CLOSURES, REPEATABLE, same_trajectory
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import SubjectCrash, text_of
from gdprops.model.clause import Level, Needs, View, clause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject, Run
else:
    workbench = lazy("gdprops.clauses.support.workbench")

RESUMED = 2
"""How many steps, the last ones, a run takes after it was saved."""
EARLY = 3
"""After how many steps a long run is saved besides: a clock that is lost then is wrong at each of its later rounds."""


@clause(
    id="optimizer.resume",
    statement="State that is saved after a step and loaded into a fresh optimizer on copies of the weights "
    "continues exactly, with a learning rate that was changed included.",
    source="NVIDIA/apex#766: param_groups are detached after loading. NVIDIA/Megatron-LM#5976: counters are "
    "advanced by a synthetic step.",
    decision="A run halves its learning rate, is saved, and is loaded into a fresh optimizer for the last two "
    "steps; before the last one the rate in param_groups is halved again. A long run is also interrupted after its "
    "third step. The run without the interruption is fed the same gradients. The bytes of the weights must be equal "
    "after every step. If loading casts state to the dtype of its parameter, the comparison is made with float32 "
    "parameters (optimizer.resume-low-precision is about the cast). A rule with a random generator of its own is "
    "compared only if two runs agree.",
    view=View.OPTIMIZER,
    refuted_by=(
        "momentum-kept-on-self",
        "clock-kept-on-self",
        "generator-kept-on-self",
        "loading-takes-a-step",
        "steps-old-groups",
        "shows-old-groups",
    ),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(least_steps=3, most_steps=4, longest=100)),
    needs=Needs(traits=(FED_ALSO_BY_CLOSURES, ("randomness", ("none", "private")))),
)
def resume(subject: FedSubject, case: UpdateCase) -> Evidence:
    found = _resumes(subject, case, "resumed from its saved state", cast=False)
    left = len(case.gradients) - EARLY
    if found.violated or left <= EARLY:
        return found
    early = _resumes(subject, case, "resumed from its saved state", cast=False, left=left)
    return early if early.violated else found


@clause(
    id="optimizer.resume-weights-only",
    statement="The saved state survives a file that is read with weights_only=True.",
    source="torch.load documentation: since torch 2.6 it reads only strings, tensors and numbers by default, no "
    "classes.",
    decision="As optimizer.resume, but the state goes through torch.save and torch.load(weights_only=True).",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("saves-objects", "momentum-kept-on-self"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(least_steps=3, most_steps=4)),
    needs=Needs(traits=(FED_ALSO_BY_CLOSURES, REPEATABLE), torch=True),
)
def resume_weights_only(subject: FedSubject, case: UpdateCase) -> Evidence:
    try:
        return _resumes(subject, case, "resumed from a file read with weights_only=True", through_file=True, cast=False)
    except SubjectCrash as crash:
        return workbench.violation(f"{crash.doing} does not work: {type(crash.error).__name__}: {text_of(crash.error)}")


@clause(
    id="optimizer.resume-low-precision",
    statement="State of bfloat16 parameters that is kept in a higher precision is loaded in that precision.",
    source="pytorch/pytorch#43706, pytorch/pytorch#74424: load_state_dict casts floating-point state to the "
    "parameter's dtype.",
    decision="As optimizer.resume, on bfloat16 parameters. Besides, every number that is kept for a parameter must "
    "have the same dtype after it is loaded: a clock in bfloat16 stops at 256.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("keeps-its-mean-in-float32", "keeps-its-clock-in-float32"),
    cases=lambda domain: workbench.feeds(
        domain, workbench.Feed(least_steps=4, most_steps=5, options=False, unusual=False)
    ),
    needs=Needs(traits=(FED, REPEATABLE), torch=True, feature="bfloat16"),
)
def resume_low_precision(subject: FedSubject, case: UpdateCase) -> Evidence:
    low = replace(case, plan=replace(case.plan, dtype="bfloat16"))
    elsewhere = replace(low, plan=replace(low.plan, seed=low.plan.seed + 1))
    if workbench.differ(workbench.feed(subject, low)[-1], workbench.feed(subject, elsewhere)[-1]):
        return workbench.vacuous("it draws random numbers where it rounds to bfloat16")
    evidence = _resumes(subject, low, "bfloat16 parameters, resumed from saved state")
    casts = "" if evidence.violated else _until_saved(subject, low).cast_on_loading()
    return workbench.violation(f"bfloat16 parameters: loading casts {casts}") if casts else evidence


def _resumes(
    subject: FedSubject,
    case: UpdateCase,
    what: str,
    *,
    through_file: bool = False,
    cast: bool = True,
    left: int = RESUMED,
) -> Evidence:
    """Compare a run with and without the interruption.

    ``cast`` False: where loading casts the state, the comparison is made with float32 parameters instead. ``left``: how
    many steps are left when the run is saved.
    """
    run = _until_saved(subject, case, left)
    expected = _to_the_end(run, case, left)
    casts = "" if cast else run.cast_on_loading()
    if casts and not case.plan.dtype:
        single = replace(case, plan=replace(case.plan, dtype="float32"))
        return _resumes(subject, single, what, through_file=through_file, cast=False, left=left)
    if casts:
        return workbench.vacuous(f"loading casts {casts}")
    if subject.traits["randomness"] == "private" and not _repeats(subject, case, expected, left):
        return workbench.vacuous("its own random numbers differ from run to run")
    saved = _until_saved(subject, case, left)
    seen = [saved.weights(), *_to_the_end(saved.resumed(through_file=through_file), case, left)[1:]]
    return same_trajectory(case, seen, expected, what)


def _repeats(subject: FedSubject, case: UpdateCase, expected: Sequence[Weights], left: int) -> bool:
    """Say whether a second run ends where the first did: if so, the constructor seeds the optimizer's generator."""
    again = _to_the_end(_until_saved(subject, case, left), case, left)
    return not workbench.differ(again[-1], expected[-1])


def _until_saved(subject: FedSubject, case: UpdateCase, left: int = RESUMED) -> Run:
    """Return a run that has taken all steps but the last ones, and whose learning rate was then halved."""
    run = subject.start(case.tensors, case.plan)
    for gradients in case.gradients[:-left]:
        run.step(gradients)
    run.scale_rate(0.5)
    return run


def _to_the_end(run: Run, case: UpdateCase, left: int) -> list[Weights]:
    """Take the steps that are left, the very last one at half the rate; return the weights before and after each."""
    *first, last = case.gradients[-left:]
    seen = workbench.feed_on(run, first)
    run.scale_rate(0.5)
    return [*seen, *workbench.feed_on(run, [last])[1:]]


CLAUSES = (resume, resume_weights_only, resume_low_precision)

"""Chapter step, where the user owns the loop: what becomes of the model beside its weights.

A training step is handed a model: some of its parameters are frozen, some are reached by the loss, and its modules are
in training mode or not. These clauses say that all of that is as it was, or as the optimizer needs it: a step that
computes a metric in evaluation mode and never goes back takes right updates of another loss than at step 1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations import training_step
from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.step_judges import StepJudge
from gdprops.model.architecture import NOT_ADDITIVE
from gdprops.model.clause import Implementation, Level, View, clause
from gdprops.model.evidence import Evidence
from gdprops.model.note import Note

if TYPE_CHECKING:
    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.step_judges import Look
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.case import TrainCase
    from gdprops.model.training_run import ModeChange, StepTraining, TrainedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="step.complete",
    statement="The optimizer holds every trainable parameter that the loss reaches.",
    source=(
        "zjunlp/HVPNeT#5: a parameter group is never appended; open-mmlab/OpenPCDet#960: a bare "
        "nn.Parameter is in no leaf module."
    ),
    decision="A training step whose build returns its optimizer: what has a gradient that at the rate in force is more "
    "than rounding is in one of the optimizer's groups at some step of the loop, or moves all the same. Recommended: "
    "what is not to be trained may be left out instead of frozen.",
    level=Level.RECOMMENDED,
    view=View.TRAINING,
    refuted_by=("leaves-the-body-out", "trains-a-copy"),
    cases=training_step.loops_of,
    since=2,
)
@partial(StepJudge, to_the_end=True)
def complete(subject: TrainedSubject, case: TrainCase) -> Look:
    names, reached, served = tuple[str, ...](), set[int](), set[int]()
    while (step := (yield)) is not None:
        names = step.names
        reached |= {i for i, pulled in enumerate(training_step.pulled_at_its_rate(step)) if pulled}
        served |= {i for i, (held, moved) in enumerate(zip(step.held, step.moved(), strict=True)) if held or moved}
    missing = tuple(names[i] for i in sorted(reached - served))
    if missing:
        told = f"{', '.join(missing)}: trainable, reached by the loss, and in no group of the optimizer"
        i, said = names.index(missing[0]), f"{told}; what is not to be trained can be frozen (requires_grad)"
        return workbench.violation(said, blame=missing, demand=workbench.Demand(f"seen[{i}] != before[{i}]"))
    return workbench.agreement() if reached else workbench.vacuous("no gradient moves anything at its rate")


@clause(
    id="step.stays-frozen",
    statement="What is frozen in the model that build is given stays as it was.",
    source=(
        "ultralytics/yolov5#1213, pytorch/torchtitan#3438: the training loop makes every parameter "
        "trainable, frozen ones too."
    ),
    decision="The user's own model (models=), some parameters of which are frozen: those are compared byte for byte. "
    "Recommended: the second phase of fine-tuning unfreezes on purpose. What the step itself unfreezes is judged by "
    "step.frozen-untouched.",
    level=Level.RECOMMENDED,
    view=View.TRAINING,
    refuted_by=("unfreezes-in-build",),
    cases=training_step.loops_of,
    since=2,
)
@StepJudge
def stays_frozen(subject: TrainedSubject, case: TrainCase) -> Look:
    parts = list[Evidence]()
    while (step := (yield)) is not None:
        parts.append(_is_as_given(step))
    return workbench.combine(parts)


def _is_as_given(step: Watched) -> Evidence:
    run: StepTraining = step.run  # type: ignore[assignment] # the clause is about training steps alone
    frozen = [i for i, was in enumerate(run.frozen_before_build) if was]
    what = "frozen in the model that build is given, and moved"
    return training_step.same_where(step, frozen, what)


@clause(
    id="step.mode",
    statement="A model that is differentiated in training mode at step 1 is so at every step.",
    source=(
        "fartashf/vsepp#4, ThilinaRajapakse/simpletransformers#941: after its first evaluation the model "
        "stays in evaluation mode."
    ),
    decision="The mode of the whole model in the forward passes that gradients flow back through: evaluation mode "
    "after training mode at step 1 is a violation where loss or gradients differ between both. Evaluation mode from "
    "step 1 on is a choice; of modules that change alone, as a batch norm that is frozen later, a note is made.",
    view=View.TRAINING,
    refuted_by=("stays-in-evaluation-mode",),
    cases=lambda domain: workbench.loops_by_mode(domain),
    since=2,
)
def mode(subject: TrainedSubject, case: Any) -> Evidence:
    parts = list[Evidence]()
    for taken, t, before in workbench.unjudged(subject, case):
        run: StepTraining = taken  # type: ignore[assignment] # the clause is about training steps alone
        changed = run.mode_changed(before, t)
        if changed is not None:
            parts += [_told(changed, t + 1)] * (changed.whole or not any(part.notes for part in parts))
        elif not any(part.decisive for part in parts) and t > 0:
            parts.append(_could_tell(run.answers_to_mode(before, t)))
        if parts and parts[-1].violated:
            break
    return workbench.combine(parts)


def _could_tell(answers: bool) -> Evidence:
    same = "loss and gradients are the same in training mode and in evaluation mode"
    return workbench.agreement() if answers else workbench.vacuous(same)


def _told(changed: ModeChange, step: int) -> Evidence:
    modules = ", ".join(changed.modules)
    if changed.whole:
        return workbench.violation(
            f"from step {step} on gradients are taken in evaluation mode, at step 1 in training mode; the loss or its "
            f"gradients differ between the two ({modules})",
            demand=workbench.IN_TRAINING_MODE,
        )
    told = f"from step {step} on modules of the model are in evaluation mode that were in training mode at step 1"
    return workbench.with_notes(workbench.agreement(), Note(f"{told}: {modules}"))


def _without_optimizer(subject: Any) -> str | None:
    if subject.habits.returns_optimizer:
        return None
    return "build returns no optimizer: what it holds cannot be seen"


def _given_nothing_frozen(subject: Any) -> str | None:
    if subject.own is not None and subject.habits.is_given_frozen:
        return None
    return "no model of the user's own (models=) has frozen parameters"


def _without_modes(subject: Any) -> str | None:
    if subject.own is not None:
        answers = subject.habits.answers_to_mode
        return None if answers else "the model is the same in training mode and in evaluation mode"
    drawn = set(subject.domain.kinds) & set(NOT_ADDITIVE)
    return None if drawn else "it trains no drawn network that has a batch norm or dropout"


IMPLEMENTATIONS = {
    "step.complete": Implementation(complete.cases, complete.examine, _without_optimizer),
    "step.stays-frozen": Implementation(stays_frozen.cases, stays_frozen.examine, _given_nothing_frozen),
    "step.mode": Implementation(mode.cases, mode.examine, _without_modes),
}
CLAUSES = (complete, stays_frozen, mode)

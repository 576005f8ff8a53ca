"""Chapter step, for training steps that update parameters from hooks while the backward pass still runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations import training_step
from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.step_judges import told_by
from gdprops.model.case import TrainCase
from gdprops.model.clause import Implementation, View, clause

if TYPE_CHECKING:
    from gdprops.clauses.support import workbench
    from gdprops.model.evidence import Evidence
    from gdprops.model.training_run import TrainedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="step.in-backward",
    statement="A step that updates parameters from hooks during the backward pass ends where an update after it "
    "would: w' = U(w, g(w), s), also with tied weights and checkpointed segments.",
    source="pytorch/pytorch#81296: a hook on a shared parameter runs once per use. pytorch/torchtitan#777: all "
    "hooks see the last model part.",
    decision="For training steps whose weights are seen to move before backward() returns. Every step is compared "
    "with U(w, g(w), s), within 16 noise floors, on networks with tied weights and on networks whose segments are "
    "checkpointed (recomputed in the backward pass). An example is decisive when a sweep that moves the last layer "
    "first can be told from the expected weights.",
    view=View.TRAINING,
    refuted_by=(
        "hooks-fire-per-use",
        "hooks-share-the-last-part",
        "steps-when-its-counter-is-full",
        "hooks-step-on-every-micro-batch",
    ),
    cases=lambda domain: workbench.recomputed_loops(domain),
)
def in_backward(subject: TrainedSubject, case: Any) -> Evidence:
    what = f"weights move during backward{_of(case)}"
    return told_by(training_step.agrees_everywhere(what), workbench.stream(subject, case))


def _of(case: Any) -> str:
    """Return what is special about one of gdprops' own networks: checkpointed segments, a shared weight."""
    if not isinstance(case, TrainCase):
        return ""
    tied = len({layer.weight for layer in case.network.layers}) < len(case.network.layers)
    shared = " and layers share a weight" * tied
    return f", segments are recomputed ({case.network.recomputed}){shared}" if case.network.recomputed else shared


def _after_backward(subject: Any) -> str | None:
    return None if subject.habits.in_backward else "moves no weight during backward"


IMPLEMENTATIONS = {"step.in-backward": Implementation(in_backward.cases, in_backward.examine, _after_backward)}
CLAUSES = (in_backward,)

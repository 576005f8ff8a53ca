"""Chapter step, for training steps: one logical step applies one update, and every clock advances with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.clauses.implementations import training_step
from gdprops.model.case import TrainCase
from gdprops.model.clause import Implementation, View, clause

if TYPE_CHECKING:
    from gdprops.model.evidence import Evidence
    from gdprops.model.training_run import TrainedSubject


@clause(
    id="step.once",
    statement="One logical step applies one update.",
    source="PKU-YuanGroup/Helios#130: the wrapper steps inside every backward pass. pytorch/pytorch#40967: a tensor "
    "that is listed twice is stepped twice.",
    decision="Only a training step can break this clause: an optimizer is called once by gdprops itself. Every step "
    "is compared with U(w, g(w), s). A wrong step is a violation of this clause when applying U twice reproduces "
    "it. Besides, the clock of every parameter in the optimizer must advance as U advances it. The number of step() "
    "calls is no evidence. An example is decisive when the result of applying U twice can be told from the expected "
    "weights.",
    view=View.TRAINING,
    refuted_by=("steps-twice", "listed-twice", "ticks-once-per-tensor"),
    cases=training_step.loops_of,
)
def once(subject: TrainedSubject, case: TrainCase) -> Evidence:
    return training_step.once(subject, case)


IMPLEMENTATIONS = {"step.once": Implementation(training_step.loops_of, training_step.once)}
CLAUSES = (once,)

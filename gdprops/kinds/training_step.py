"""The kind of training steps: ``build(model, loss_fn)`` returns ``step`` or ``(step, optimizer)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.kinds.kind import Asked, Kind, WrittenOut
from gdprops.model.case import OwnCase
from gdprops.model.evidence import with_notes
from gdprops.model.identity import Origin
from gdprops.model.measurement import Measurement
from gdprops.model.note import Note
from gdprops.subjects.declared_rule import check_rule
from gdprops.subjects.training_step import NAME
from gdprops.subjects.user_code.importing import label_of
from gdprops.subjects.user_code.signatures import require_keywords

if TYPE_CHECKING:
    from gdprops.explanations.explanation import Explanation
    from gdprops.model.clause import Clause
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.script_lines import Written
    from gdprops.subjects.training_step.subject import TrainingStep


FACTS = (
    "step.complete",
    "step.complete-as-declared",
    "step.stays-frozen",
    "step.mode",
    "step.phases",
    "step.targets",
    "clock.schedule",
    "clock.first-rate",
    "clock.order",
    "clock.average",
    "clock.resume",
    "clock.resume-states",
)
"""Clauses whose violations are themselves what is wrong."""
OWN_BATCHES = (
    "the step draws its batches itself: what its model is given does not come from the batch that it is handed, so "
    "that it is judged by its own batches where it hands them to the loss that build is given"
)
OF_PHASES = ("step.phases", "step.targets", "clock.")
"""The clauses, or beginnings of their ids, that are about a step with several phases."""


class TrainingStepKind(Kind["TrainingStep"]):
    """Steps that train a model which gdprops gives them; the expected update is computed on a model of gdprops' own."""

    name = NAME
    option = f"--as {NAME}"
    pools_examples = True

    @property
    def judged_as(self) -> str:
        """Training steps, also those that a trainer drives."""
        return NAME

    def make(self, found: Any, asked: Asked) -> TrainingStep:
        """Return a training step for a ``build`` function, with ``-p lr=… clip_norm=…`` as its declarations.

        ``--rule sgd`` requires the learning rate of plain descent.
        """
        from gdprops.subjects.training_step.subject import training_step

        require_keywords(training_step, asked.given, f"--as {NAME} {asked.spec}")
        if check_rule(asked.rule) not in (None, "sgd"):
            raise UsageError(
                f"--rule {asked.rule}: a training step declares its rule by the optimizer that build returns, or in "
                "Python: gdprops.training_step(build, rule=lambda params: torch.optim.Adam(params, lr=0.1))"
            )
        if asked.rule is not None and "lr" not in asked.given:
            raise UsageError("--rule sgd on a training step needs its learning rate: -p lr=0.1")
        named = {"name": label_of(asked.spec, asked.given), **asked.given}
        made: TrainingStep = training_step(found, **named)
        own_name = Origin(str(asked.given.get("name", "")))
        return replace(_found_under(made, asked.spec), hyperparameters=asked.given, origin=own_name)

    def rebound(self, found: TrainingStep, asked: Asked) -> TrainingStep:
        """Return a subject that the user bound to a name, with that name as its subject string."""
        return _found_under(super().rebound(found, asked), asked.spec)

    def named(self, subject: TrainingStep, name: str) -> TrainingStep:
        """Return a copy of the subject with another name."""
        return replace(subject, declaration=replace(subject.declaration, name=name))

    def measure(self, subject: TrainingStep) -> Measurement:
        """Return no traits, and what one trial of the step has shown."""
        return Measurement(domain=subject.domain)

    def filled(self, subject: TrainingStep, case: Any) -> Any:
        """Return a saved case of the user's own model with its arrays put back; other cases unchanged."""
        return subject.filled(case, case.arrays) if isinstance(case, OwnCase) and case.arrays else case

    def written_out(self, subject: TrainingStep, case: Any) -> WrittenOut | None:
        """Return a case of the user's own model separated from its numbers, None for other cases."""
        if not isinstance(case, OwnCase):
            return None
        from gdprops.subjects.training_step.own.saved_case import alone

        whole, arrays = subject.written_out(case)
        return WrittenOut(whole, arrays, alone(case, whole, arrays))

    def scripts(
        self, subject: TrainingStep, case: Any, evidence: Evidence, arrays: str | None
    ) -> Iterable[Written] | None:
        """Return plain scripts that build a case's model and train it; none where the step draws its batches itself."""
        from gdprops.subjects.training_step.script.own_model import own_scripts
        from gdprops.subjects.training_step.script.steps import drawn_scripts

        if subject.habits.own_batches:
            return ()
        if isinstance(case, OwnCase):
            return own_scripts(subject.declaration, case, arrays, evidence)
        return drawn_scripts(subject.declaration, case, evidence)

    def spec(self, subject: TrainingStep) -> str:
        """Return the subject string with which a printed command finds the step.

        The name to which the subject is bound is preferred to the name of its ``build`` function.
        """
        from gdprops.subjects.training_step.script.own_model import whereabouts

        return whereabouts(subject.declaration)

    def given(self, subject: TrainingStep) -> Mapping[str, Any] | None:
        """Return what a printed command declares; None if an own rule, model, schedule or count is bound to no name."""
        from gdprops.subjects.training_step.script.own_model import is_bound

        declared = subject.declaration
        if subject.hyperparameters or is_bound(declared):
            return subject.hyperparameters
        if any(
            part is not None
            for part in (declared.rule_factory, declared.own, declared.schedule, declared.counts, declared.average)
        ):
            return None
        plain = {"lr": None, "clip_norm": None, "clip_value": None, "accumulate": 1, "micro": None}
        return {key: value for key, no in plain.items() if (value := getattr(declared, key)) != no}

    def examiner(self, subject: TrainingStep, clause: Clause) -> Callable[[Any], Evidence]:
        """Return the check of a clause, which tells with every example what the trial found of the whole subject."""
        examine, notes = super().examiner(subject, clause), _notes(subject)
        return (lambda case: with_notes(examine(case), *notes)) if notes else examine

    def examined_together(
        self, subject: TrainingStep, clauses: Mapping[int, Clause], case: Any
    ) -> Mapping[int, Evidence | Exception]:
        """Return what each clause of a family shows or raises on one case, with what the trial found of the subject."""
        found, notes = super().examined_together(subject, clauses, case), _notes(subject)
        return {k: told if isinstance(told, Exception) else with_notes(told, *notes) for k, told in found.items()}

    def unmet(self, subject: TrainingStep, domain: Domain, clause: Clause) -> str | None:
        """Return why a clause does not apply: with phases, what is about a step of one loss is about each of them."""
        if subject.declaration.phases is not None and not clause.id.startswith(OF_PHASES):
            return "phases= are declared: step.phases judges each of them as a step"
        if clause.needs.frozen and not domain.frozen:
            return "the step raises where a parameter is frozen: a note says how"
        return super().unmet(subject, domain, clause)

    def explains(self, clause: Clause) -> bool:
        """Say whether a violation may show in wrong weights: modes, rates and missing parameters are facts."""
        return clause.id not in FACTS

    def explain(
        self, subject: TrainingStep, failing: Sequence[Any], pool: Callable[[], Iterable[Any]]
    ) -> Explanation | None:
        """Return what the step does instead, tested in examples of several clauses."""
        from gdprops.explanations.training_step.explain import explained

        return explained(subject, pool())


def _notes(subject: TrainingStep) -> tuple[Note, ...]:
    """Return what is told of a training step as a whole."""
    driver, keys = subject.declaration.driver, subject.habits.unread
    told = [*(() if driver is None else driver.told), *subject.habits.refused.told]
    if subject.habits.own_batches:
        told.append(OWN_BATCHES)
    if keys:
        unread = f"the optimizer's parameter groups carry {', '.join(keys)}, which nobody reads"
        told.append(f"{unread}: neither the optimizer nor the step acts on it")
    return tuple(map(Note, told))


def _found_under(subject: TrainingStep, spec: str) -> TrainingStep:
    return replace(subject, declaration=replace(subject.declaration, spec=spec))


TRAINING_STEP = TrainingStepKind()

"""What a clause did with a subject, as plain Python that anyone can run without gdprops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, final

from gdprops.adapters.script import literals
from gdprops.model.subject import Delivery

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan
    from gdprops.model.subject import Gradients, Look, Run, Subject
    from gdprops.model.traits import Measured, Traits

SHOWN_RUNS = 3


@final
class Recorded:
    """A subject that writes down what is done with it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.runs: list[list[str]] = []

    name = property(lambda self: self._subject.name)
    kind = property(lambda self: self._subject.kind)
    rule = property(lambda self: self._subject.rule)
    own_rate = property(lambda self: self._subject.own_rate)
    spec = property(lambda self: self._subject.spec)
    hyperparameters = property(lambda self: self._subject.hyperparameters)

    @property
    def declared(self) -> Mapping[str, Measured]:
        """The traits that its owner declared."""
        return self._subject.declared

    @property
    def traits(self) -> Traits:
        """What was measured of it."""
        return self._subject.traits

    def accepts(self, option: str) -> bool:
        """Say whether the subject takes a hyperparameter that the user has not set."""
        return self._subject.accepts(option)

    def start(self, tensors: Sequence[Array], plan: Plan) -> RecordedRun:
        """Start, and write it down."""
        lines = self._subject.script_start(tensors, plan)
        self.runs.append(lines)
        return RecordedRun(self._subject.start(tensors, plan), self._subject, lines, len(tensors))

    def python(self) -> str:
        """Return the first runs as one script; behind ``# ->`` stand the weights that were seen."""
        shown, parts = self.runs[:SHOWN_RUNS], [self._subject.script_head()]
        for number, lines in enumerate(shown, start=1):
            of = f" of {len(self.runs)}, {SHOWN_RUNS} shown" if len(self.runs) > SHOWN_RUNS else f" of {len(shown)}"
            parts.append("\n".join([f"\n# run {number}{of}" if len(shown) > 1 else "", *lines]))
        return "\n".join(parts).strip() + "\n"


@final
class RecordedRun:
    """A run that writes down what is done with it."""

    def __init__(self, run: Run, subject: Subject, lines: list[str], count: int) -> None:
        self._run, self._subject, self._lines, self._count = run, subject, lines, count

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Step, and write it down."""
        self._lines.extend(self._subject.script_step(gradients, delivery))
        self._run.step(gradients, delivery)
        self._lines.append(f"# -> {literals(self._run.weights())}")

    def step_closure(self, look: Look) -> int:
        """Step with a closure, and write down the gradients that it gave."""
        calls: list[tuple[float, Gradients]] = []

        def watched(weights: Sequence[Array]) -> tuple[float, Gradients]:
            loss, gradients = look(weights)
            calls.append((loss, gradients))
            return loss, gradients

        called = self._run.step_closure(watched)
        self._lines.extend(self._subject.script_closure(calls))
        self._lines.append(f"# -> {literals(self._run.weights())}")
        return called

    def weights(self) -> list[Array]:
        """Return copies of all tensors as they are now."""
        return self._run.weights()

    def place(self, weights: Sequence[Array]) -> None:
        """Overwrite all tensors."""
        self._run.place(weights)

    def rates(self) -> list[float | None]:
        """Return the learning rate in force for each tensor."""
        return self._run.rates()

    def scale_rate(self, factor: float) -> None:
        """Multiply the learning rate, and write it down."""
        self._lines.append(f"# every learning rate times {factor:g}")
        self._run.scale_rate(factor)

    def resumed(self) -> RecordedRun:
        """Save and load, and write it down."""
        self._lines.append("# state_dict() saved here and loaded into a fresh optimizer on copies of the weights")
        return RecordedRun(self._run.resumed(), self._subject, self._lines, self._count)

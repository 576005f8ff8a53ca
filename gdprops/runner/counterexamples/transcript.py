"""Record what a clause does with a subject, and write it as a plain Python script that runs without gdprops.

`Recorded` wraps a subject: it passes every call on to the subject and adds the corresponding line to the script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from gdprops.model.subject import Delivery, step_with_closure
from gdprops.subjects.script_lines import literals

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan
    from gdprops.model.subject import FedSubject, Gradients, Look, Run, Stepped
    from gdprops.model.traits import Measured, Traits

SHOWN_RUNS = 3


@final
class Recorded:
    """A subject that records the runs that a clause starts with it."""

    def __init__(self, subject: FedSubject) -> None:
        self._subject = subject
        self.runs: list[list[str]] = []

    name = property(lambda self: self._subject.name)
    kind = property(lambda self: self._subject.kind)
    rule = property(lambda self: self._subject.rule)
    own_rate = property(lambda self: self._subject.own_rate)
    spec = property(lambda self: self._subject.spec)
    framework = property(lambda self: self._subject.framework)
    hyperparameters = property(lambda self: self._subject.hyperparameters)

    @property
    def declared(self) -> Mapping[str, Measured]:
        """The traits that the subject's owner declared."""
        return self._subject.declared

    @property
    def traits(self) -> Traits:
        """The subject's measured traits."""
        return self._subject.traits

    def accepts(self, option: str) -> bool:
        """Say whether the subject takes a hyperparameter that the user has not set."""
        return self._subject.accepts(option)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every hyperparameter by name."""
        return self._subject.settings

    def start(self, tensors: Sequence[Array], plan: Plan) -> RecordedRun:
        """Start a run, and record it."""
        lines = self._subject.script_start(tensors, plan)
        self.runs.append(lines)
        return RecordedRun(self._subject.start(tensors, plan), self._subject, lines, len(tensors))

    def python(self) -> str:
        """Return the first runs as one script; comments ``# -> ...`` show the weights that were seen."""
        if not self.runs:
            return ""
        shown, parts = self.runs[:SHOWN_RUNS], [self._subject.script_head()]
        for number, lines in enumerate(shown, start=1):
            of = f" of {len(self.runs)}, {SHOWN_RUNS} shown" if len(self.runs) > SHOWN_RUNS else f" of {len(shown)}"
            parts.append("\n".join([f"\n# run {number}{of}" if len(shown) > 1 else "", *lines]))
        return "\n".join(parts).strip() + "\n"


@final
class RecordedRun:
    """A run that records what a clause does with it."""

    def __init__(self, run: Run, subject: FedSubject, lines: list[str], count: int) -> None:
        self._run, self._subject, self._lines, self._count = run, subject, lines, count

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Make a step, and record it; the step gets a closure if the subject is known to need one."""
        if self._subject.traits["inputs"] == "closure":
            step_with_closure(self, gradients)
            return
        self._lines.extend(self._subject.script_step(gradients, delivery))
        self._run.step(gradients, delivery)
        self._lines.append(f"# -> {literals(self._run.weights())}")

    def draws_privately(self, gradients: Gradients) -> bool:
        """Make a step, record it, and say whether the subject drew from a private random generator."""
        self._lines.extend(self._subject.script_step(gradients, Delivery.ASSIGNED))
        return self._run.draws_privately(gradients)

    def hand_over(self, gradients: Gradients) -> None:
        """Assign gradients without a step, and record it."""
        self._lines.extend(self._subject.script_gradients(gradients))
        self._run.hand_over(gradients)

    def step_closure(self, look: Look) -> Stepped:
        """Make a step with a closure, and record the gradients that the closure gave."""
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
        """Overwrite the numbers of all tensors."""
        self._run.place(weights)

    def rates(self) -> list[float | None]:
        """Return the learning rate in force for each tensor."""
        return self._run.rates()

    def hyperparameters(self) -> list[Mapping[str, Any]]:
        """Return the hyperparameters in force for each tensor, as far as the subject shows them."""
        return self._run.hyperparameters()

    def scale_rate(self, factor: float) -> None:
        """Multiply every learning rate, and record it."""
        self._lines.append(f"# every learning rate times {factor:g}")
        self._run.scale_rate(factor)

    def resumed(self, *, plan: Plan | None = None, through_file: bool = False) -> RecordedRun:
        """Save the state, load it into a fresh optimizer, and record it."""
        way = " (through a file, torch.load(weights_only=True))" if through_file else ""
        other = f" with {dict(plan.options)}" if plan is not None else ""
        self._lines.append(f"# state_dict() saved here and loaded into a fresh optimizer{other} on copies{way}")
        resumed = self._run.resumed(plan=plan, through_file=through_file)
        return RecordedRun(resumed, self._subject, self._lines, self._count)

    def cast_on_loading(self) -> str:
        """Return which number in the state of a tensor loading casts to another dtype."""
        return self._run.cast_on_loading()

    def add_group(self, indices: Sequence[int], rate: float | None) -> None:
        """Add a parameter group of further tensors, and record it."""
        names = ", ".join(f"w{i + 1}" for i in indices)
        lr = "" if rate is None else f', "lr": {rate!r}'
        self._lines.append(f'optimizer.add_param_group({{"params": [{names}]{lr}}})')
        self._run.add_group(indices, rate)

    def gradients(self) -> list[Array | None]:
        """Return the gradients that the tensors hold now."""
        return self._run.gradients()

    def spoil_gradients(self) -> None:
        """Overwrite the last gradients in place, and record it."""
        self._lines.append("# now the numbers of these gradients are overwritten in place: w.grad.fill_(nan)")
        self._run.spoil_gradients()

    def aliases(self) -> list[str]:
        """Return which tensors share memory."""
        return self._run.aliases()

    def remembered(self) -> bytes:
        """Return a digest of the subject's state."""
        return self._run.remembered()

    def takes_closure(self) -> None:
        """Raise `Unsupported` if the subject's step takes no closure."""
        self._run.takes_closure()

    def call_readers(self, hyperparameter: str) -> None:
        """Call the subject's own methods that read a hyperparameter, and record it."""
        self._lines.append(f"# called here: the optimizer's other methods that read {hyperparameter}")
        self._run.call_readers(hyperparameter)

    def evaluate(self) -> bool:
        """Switch the subject to evaluation mode; say whether it has one."""
        return self._run.evaluate()

    def replaced(self) -> str:
        """Return which parameters have become other objects."""
        return self._run.replaced()

    def addresses(self) -> list[int]:
        """Return the addresses of the parameters."""
        return self._run.addresses()

    def zero_gradients(self, *, set_to_none: bool) -> None:
        """Zero the gradients, and record it."""
        self._lines.append(f"optimizer.zero_grad(set_to_none={set_to_none})")
        self._run.zero_gradients(set_to_none=set_to_none)

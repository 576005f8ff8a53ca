"""What a clause did with a subject, as plain Python that anyone can run without gdprops."""

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
    """A subject that writes down what is done with it."""

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
        """The traits that its owner declared."""
        return self._subject.declared

    @property
    def traits(self) -> Traits:
        """What was measured of it."""
        return self._subject.traits

    def accepts(self, option: str) -> bool:
        """Say whether the subject takes a hyperparameter that the user has not set."""
        return self._subject.accepts(option)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every hyperparameter by name."""
        return self._subject.settings

    def start(self, tensors: Sequence[Array], plan: Plan) -> RecordedRun:
        """Start, and write it down."""
        lines = self._subject.script_start(tensors, plan)
        self.runs.append(lines)
        return RecordedRun(self._subject.start(tensors, plan), self._subject, lines, len(tensors))

    def python(self) -> str:
        """Return the first runs as one script; behind ``# ->`` stand the weights that were seen."""
        if not self.runs:
            return ""
        shown, parts = self.runs[:SHOWN_RUNS], [self._subject.script_head()]
        for number, lines in enumerate(shown, start=1):
            of = f" of {len(self.runs)}, {SHOWN_RUNS} shown" if len(self.runs) > SHOWN_RUNS else f" of {len(shown)}"
            parts.append("\n".join([f"\n# run {number}{of}" if len(shown) > 1 else "", *lines]))
        return "\n".join(parts).strip() + "\n"


@final
class RecordedRun:
    """A run that writes down what is done with it."""

    def __init__(self, run: Run, subject: FedSubject, lines: list[str], count: int) -> None:
        self._run, self._subject, self._lines, self._count = run, subject, lines, count

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Step, and write it down; in a closure too where the subject is known to need one."""
        if self._subject.traits["inputs"] == "closure":
            step_with_closure(self, gradients)
            return
        self._lines.extend(self._subject.script_step(gradients, delivery))
        self._run.step(gradients, delivery)
        self._lines.append(f"# -> {literals(self._run.weights())}")

    def draws_privately(self, gradients: Gradients) -> bool:
        """Step, write it down, and say whether it drew from a random generator of its own."""
        self._lines.extend(self._subject.script_step(gradients, Delivery.ASSIGNED))
        return self._run.draws_privately(gradients)

    def hand_over(self, gradients: Gradients) -> None:
        """Let gradients stand there, and write it down."""
        self._lines.extend(self._subject.script_gradients(gradients))
        self._run.hand_over(gradients)

    def step_closure(self, look: Look) -> Stepped:
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

    def hyperparameters(self) -> list[Mapping[str, Any]]:
        """Return what the subject shows of the hyperparameters in force for each tensor."""
        return self._run.hyperparameters()

    def scale_rate(self, factor: float) -> None:
        """Multiply the learning rate, and write it down."""
        self._lines.append(f"# every learning rate times {factor:g}")
        self._run.scale_rate(factor)

    def resumed(self, *, plan: Plan | None = None, through_file: bool = False) -> RecordedRun:
        """Save and load, and write it down."""
        way = " (through a file, torch.load(weights_only=True))" if through_file else ""
        other = f" with {dict(plan.options)}" if plan is not None else ""
        self._lines.append(f"# state_dict() saved here and loaded into a fresh optimizer{other} on copies{way}")
        resumed = self._run.resumed(plan=plan, through_file=through_file)
        return RecordedRun(resumed, self._subject, self._lines, self._count)

    def cast_on_loading(self) -> str:
        """Return which number that is kept of a tensor loading casts."""
        return self._run.cast_on_loading()

    def add_group(self, indices: Sequence[int], rate: float | None) -> None:
        """Hand over further tensors, and write it down."""
        names = ", ".join(f"w{i + 1}" for i in indices)
        lr = "" if rate is None else f', "lr": {rate!r}'
        self._lines.append(f'optimizer.add_param_group({{"params": [{names}]{lr}}})')
        self._run.add_group(indices, rate)

    def gradients(self) -> list[Array | None]:
        """Return what stands where the last gradients were handed over."""
        return self._run.gradients()

    def spoil_gradients(self) -> None:
        """Overwrite the last gradients, and write it down."""
        self._lines.append("# now the numbers of these gradients are overwritten in place: w.grad.fill_(nan)")
        self._run.spoil_gradients()

    def aliases(self) -> list[str]:
        """Return what shares memory."""
        return self._run.aliases()

    def remembered(self) -> bytes:
        """Return a digest of the state."""
        return self._run.remembered()

    def takes_closure(self) -> None:
        """Raise `Unsupported` where a step takes no closure."""
        self._run.takes_closure()

    def call_readers(self, hyperparameter: str) -> None:
        """Call the subject's own methods that read a hyperparameter, and write it down."""
        self._lines.append(f"# called here: what else the optimizer has that reads {hyperparameter}")
        self._run.call_readers(hyperparameter)

    def evaluate(self) -> bool:
        """Switch to evaluation mode."""
        return self._run.evaluate()

    def replaced(self) -> str:
        """Return which parameters are other objects."""
        return self._run.replaced()

    def addresses(self) -> list[int]:
        """Return where the parameters lie."""
        return self._run.addresses()

    def zero_gradients(self, *, set_to_none: bool) -> None:
        """Zero the gradients, and write it down."""
        self._lines.append(f"optimizer.zero_grad(set_to_none={set_to_none})")
        self._run.zero_gradients(set_to_none=set_to_none)

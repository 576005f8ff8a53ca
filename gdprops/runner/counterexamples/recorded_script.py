"""Record what a clause does with a subject, run by run, as lines of plain Python.

`Recorded` wraps a subject: it passes every call on to the subject and adds the corresponding lines to the run's script.
After each step it notes the weights as a `Moment`. `script_ending` finds among these the moment at which the violation
shows, and there the script ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, final

from gdprops.errors import SubjectCrash
from gdprops.model.subject import Delivery, step_with_closure
from gdprops.subjects.script_lines import MOST_ENTRIES, literals

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan
    from gdprops.model.subject import FedSubject, Gradients, Look, Run, Script, Stepped
    from gdprops.model.traits import Measured, Traits


class Moment(NamedTuple):
    """What was seen after a step: the lines up to here, the step, the number of tensors, and arrays with expressions.

    ``shown``: pairs of an expression and its array, the weights in order and then the gradients that were asked for.
    """

    line: int
    step: int
    tensors: int
    shown: tuple[tuple[str, Array | None], ...]


@dataclass
class RunLines:
    """One run: its lines, its moments, the exception that ended it, and tests that a correct subject passes.

    ``tests``: pairs of a number of lines and an expression that is true after them. ``built``: the number of lines that
    build the optimizer.
    """

    lines: list[str]
    plan: Plan
    dtypes: tuple[str, ...]
    start: tuple[Array, ...]
    moments: list[Moment] = field(default_factory=list)
    crash: BaseException | None = None
    tests: list[tuple[int, str]] = field(default_factory=list)
    built: int = 0


@final
class Recorded:
    """A subject that records the runs that a clause starts with it."""

    def __init__(self, subject: FedSubject) -> None:
        self._subject = subject
        self.runs: list[RunLines] = []

    name = property(lambda self: self._subject.name)
    kind = property(lambda self: self._subject.kind)
    rule = property(lambda self: self._subject.rule)
    own_rate = property(lambda self: self._subject.own_rate)
    spec = property(lambda self: self._subject.spec)
    framework = property(lambda self: self._subject.framework)
    hyperparameters = property(lambda self: self._subject.hyperparameters)
    script = property(lambda self: self._subject.script)

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
        dtypes = tuple(plan.dtype or str(w.dtype) for w in tensors)
        lines = self._subject.script.start(tensors, plan)
        written = RunLines(lines, plan, dtypes, tuple(tensors), built=len(lines))
        self.runs.append(written)
        with _noting(written):
            run = self._subject.start(tensors, plan)
        return RecordedRun(run, self._subject, self.runs, written, len(tensors))


@contextmanager
def _noting(written: RunLines) -> Iterator[None]:
    """Note the exception of the subject's that ends a run."""
    try:
        yield
    except SubjectCrash as crash:
        written.crash = crash.error
        raise


@final
class RecordedRun:
    """A run that records what a clause does with it."""

    def __init__(self, run: Run, subject: FedSubject, runs: list[RunLines], written: RunLines, count: int) -> None:
        self._run, self._subject, self._runs = run, subject, runs
        self._written, self._count = written, count
        self._given: Gradients = ()

    @property
    def _script(self) -> Script:
        return self._subject.script

    def _write(self, lines: Sequence[str]) -> None:
        self._written.lines.extend(lines)

    def _note(self) -> None:
        """Note the weights after a step, and show them in a comment."""
        weights = self._run.weights()
        shown = tuple((self._script.weight(i), w) for i, w in enumerate(weights))
        step = self._written.moments[-1].step + 1 if self._written.moments else 1
        if sum(w.size for w in weights) <= MOST_ENTRIES:
            self._write([f"# -> {literals(weights)}"])
        self._written.moments.append(Moment(len(self._written.lines), step, len(weights), shown))

    def _test(self, test: str) -> None:
        """Note a test that everything up to here must pass."""
        self._written.tests.append((len(self._written.lines), test))

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Make a step, and record it; the step gets a closure if the subject is known to need one."""
        if self._subject.traits["inputs"] == "closure":
            step_with_closure(self, gradients)
            return
        self._given = gradients
        self._write(self._script.step(gradients, delivery, self._written.plan))
        with _noting(self._written):
            self._run.step(gradients, delivery)
        self._note()

    def draws_privately(self, gradients: Gradients) -> bool:
        """Make a step, record it, and say whether the subject drew from a private random generator."""
        self._write(self._script.step(gradients, Delivery.ASSIGNED, self._written.plan))
        with _noting(self._written):
            drawn = self._run.draws_privately(gradients)
        self._note()
        return drawn

    def hand_over(self, gradients: Gradients) -> None:
        """Assign gradients without a step, and record it."""
        self._write(self._script.gradients(gradients))
        self._run.hand_over(gradients)

    def step_closure(self, look: Look) -> Stepped:
        """Make a step with a closure, and record the gradients that the closure gave."""
        calls: list[tuple[float, Gradients]] = []

        def watched(weights: Sequence[Array]) -> tuple[float, Gradients]:
            calls.append(look(weights))
            return calls[-1]

        try:
            with _noting(self._written):
                stepped = self._run.step_closure(watched)
        finally:
            self._write(self._script.closure(calls, self._count))
        self._given = calls[-1][1] if calls else ()
        self._note()
        return stepped

    def weights(self) -> list[Array]:
        """Return copies of all tensors as they are now."""
        return self._run.weights()

    def place(self, weights: Sequence[Array]) -> None:
        """Overwrite the numbers of all tensors, and record it."""
        self._write(self._script.place(weights))
        self._run.place(weights)

    def rates(self) -> list[float | None]:
        """Return the learning rate in force for each tensor."""
        return self._run.rates()

    def hyperparameters(self) -> list[Mapping[str, Any]]:
        """Return the hyperparameters in force for each tensor, as far as the subject shows them."""
        return self._run.hyperparameters()

    def scale_rate(self, factor: float, also: Sequence[str] = ()) -> None:
        """Multiply every learning rate, and record it; ``also`` other numbers, which no script needs."""
        self._write(self._script.scale_rate(factor, self._run.rates()))
        self._run.scale_rate(factor, also)

    def resumed(self, *, plan: Plan | None = None, through_file: bool = False) -> RecordedRun:
        """Save the state and load it into a fresh optimizer: another run that begins with the lines of this one."""
        into, before = self._written.plan if plan is None else plan, self._written
        lines = self._script.resume(into, self._count, through_file=through_file, flagged=plan is not None)
        written = RunLines([*before.lines, *lines], into, before.dtypes, before.start, [*before.moments])
        self._runs.append(written)
        with _noting(written):
            resumed = self._run.resumed(plan=plan, through_file=through_file)
        return RecordedRun(resumed, self._subject, self._runs, written, self._count)

    def cast_on_loading(self) -> str:
        """Return which number in the state of a tensor loading casts to another dtype, and record a test of that."""
        cast = self._run.cast_on_loading()
        if cast:
            kept, plan = self._script.dtypes(self._count), self._written.plan
            resume = self._script.resume(plan, self._count, through_file=False, flagged=False)
            self._write([f"saved = {kept}", *resume])
            self._test(f"{kept} == saved")
        return cast

    def add_group(self, indices: Sequence[int], rate: float | None) -> None:
        """Add a parameter group of further tensors, and record it."""
        self._write(self._script.add_group(indices, rate))
        with _noting(self._written):
            self._run.add_group(indices, rate)

    def gradients(self) -> list[Array | None]:
        """Return the gradients that the tensors hold now."""
        found = self._run.gradients()
        for i, (given, left) in enumerate(zip(self._given, found, strict=False)):
            if given is not None and left is None:
                self._test(f"{self._script.gradient(i)} is not None")
        if self._written.moments:
            last = self._written.moments[-1]
            shown = tuple((self._script.gradient(i), g) for i, g in enumerate(found))
            self._written.moments[-1] = last._replace(
                line=len(self._written.lines), shown=(*last.shown[: last.tensors], *shown)
            )
        return found

    def spoil_gradients(self) -> None:
        """Overwrite the last gradients in place, and record it."""
        self._write(self._script.spoil([i for i, g in enumerate(self._given) if g is not None]))
        self._run.spoil_gradients()

    def aliases(self) -> list[str]:
        """Return which tensors share memory, and record a test that the first ones do not."""
        found = self._run.aliases()
        if found:
            self._test(self._script.apart(found[0]))
        return found

    def remembered(self) -> bytes:
        """Return a digest of the subject's state."""
        return self._run.remembered()

    def takes_closure(self) -> None:
        """Raise `Unsupported` if the subject's step takes no closure."""
        self._run.takes_closure()

    def call_readers(self, hyperparameter: str) -> list[str]:
        """Call the subject's own methods that read a hyperparameter, and record it."""
        called = self._run.call_readers(hyperparameter)
        self._write(self._script.readers(called))
        return called

    def evaluate(self) -> bool:
        """Switch the subject to evaluation mode, and record it; say whether it has one."""
        switched = self._run.evaluate()
        self._write(self._script.evaluate() if switched else [])
        return switched

    def replaced(self) -> str:
        """Return which parameters have become other objects, and record a test that none has."""
        found, forms = self._run.replaced(), self._script.forms(self._count)
        if found:
            self._written.lines.insert(self._written.built, f"forms = {forms}")
            self._test(f"{forms} == forms")
        return found

    def addresses(self) -> list[int]:
        """Return the addresses of the parameters, and record a test that they stay."""
        where = self._script.addresses(self._count)
        if self._written.moments:
            self._test(f"{where} == addresses")
        else:
            self._write([f"addresses = {where}"])
        return self._run.addresses()

    def zero_gradients(self, *, set_to_none: bool) -> bool | None:
        """Zero the gradients, and record it."""
        taken = self._run.zero_gradients(set_to_none=set_to_none)
        self._write(self._script.zero(set_to_none=taken))
        return taken

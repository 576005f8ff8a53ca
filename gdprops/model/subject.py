"""The interfaces between gdprops and what it examines, as protocols.

A `Subject` is user code that claims to do gradient descent. A `FedSubject` is one that gdprops feeds gradients; `start`
builds one of its optimizers, and a `Run` is that optimizer at work. A `System` computes gradients of networks and moves
weights along them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self, final

from gdprops.model.traits import Measured, Traits

if TYPE_CHECKING:
    from fractions import Fraction

    from gdprops.model.arrays import Array
    from gdprops.model.case import Block, Plan
    from gdprops.model.identity import Identity
    from gdprops.model.network import Batch, Point

Gradients = Sequence["Array | None"]
Look = Callable[[Sequence["Array"]], tuple[float, Gradients]]
"""A closure over arrays: it takes the weights and returns the loss and the gradients."""
CALLED_BLINDLY = "the closure is called with gradients disabled: its backward() cannot run"
"""The error where a step calls its closure without ``torch.enable_grad()``."""


def linear(gradients: Gradients) -> Look:
    """Return a closure with the loss J = Σ ⟨g, w⟩, whose gradients are these at all weights."""

    def look(weights: Sequence[Array]) -> tuple[float, Gradients]:
        pairs = zip(weights, gradients, strict=True)
        return sum(float((w * g).sum()) for w, g in pairs if g is not None), gradients

    return look


class Delivery(StrEnum):
    """How a gradient reaches ``parameter.grad``."""

    ASSIGNED = "assigned"
    BACKWARD = "from backward()"
    GRAPH = "from backward(create_graph=True)"
    TRANSPOSED = "whose dimensions lie in reverse order in memory"
    STRIDED = "that are every second entry of a larger tensor"
    CHANNELS_LAST = "whose channels lie last in memory"
    SPARSE = "that are sparse and list every row"


@final
@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step with a closure did: how often it called the closure, and the number that it returned, if any."""

    looks: int
    returned: float | None


class Calling(Protocol):
    """Runs the user's code: turns its exceptions into `SubjectCrash` and counts its time."""

    def to(self, doing: str) -> AbstractContextManager[None]:
        """Run the subject's code inside this context."""


class Run(Protocol):
    """One optimizer over its own copies of the tensors, and everything that a clause can ask of it."""

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Take one step with these gradients; None stands for a missing gradient."""

    def draws_privately(self, gradients: Gradients) -> bool:
        """Take one step; say whether the step was seen to draw from a random generator of its own."""

    def hand_over(self, gradients: Gradients) -> None:
        """Put gradients where the step finds them, before a step with a closure: SAM first moves along these."""

    def step_closure(self, look: Look) -> Stepped:
        """Take one step with a closure that evaluates ``look`` at the current weights.

        Raises `Unsupported` where the subject's step takes no closure.
        """

    def takes_closure(self) -> None:
        """Raise `Unsupported` where a step takes no closure."""

    def call_readers(self, hyperparameter: str) -> list[str]:
        """Call the subject's own public methods that need no argument and read this hyperparameter.

        Returns their names.
        """

    def weights(self) -> list[Array]:
        """Return copies of all tensors as they are now."""

    def place(self, weights: Sequence[Array]) -> None:
        """Overwrite all tensors with these weights."""

    def rates(self) -> list[float | None]:
        """Return the learning rate in force for each tensor; None where the subject shows none."""

    def hyperparameters(self) -> list[Mapping[str, Any]]:
        """Return, for each tensor, the hyperparameters in force, as far as the subject shows them."""

    def scale_rate(self, factor: float, also: Sequence[str] = ()) -> None:
        """Multiply the learning rate of every group, as a scheduler does, and ``also`` other hyperparameters."""

    def resumed(self, *, plan: Plan | None = None, through_file: bool = False) -> Run:
        """Return a new run on copies of the weights, after it has loaded this run's saved state.

        ``plan`` may change implementation flags; ``through_file`` saves to a file that is read with weights_only=True.
        """

    def cast_on_loading(self) -> str:
        """Return which number of a tensor's state changes its dtype on loading, from which to which; empty for none."""

    def add_group(self, indices: Sequence[int], rate: float | None) -> None:
        """Hand over further tensors in a group of their own, as ``add_param_group`` does."""

    def gradients(self) -> list[Array | None]:
        """Return the gradients that the tensors hold now, after the step (``.grad`` in torch)."""

    def spoil_gradients(self) -> None:
        """Overwrite the memory of the last step's gradients with NaN."""

    def aliases(self) -> list[str]:
        """Return which parts of the state share memory with a gradient, a parameter or each other."""

    def remembered(self) -> bytes:
        """Return a digest of the optimizer's state."""

    def evaluate(self) -> bool:
        """Switch to evaluation mode; say whether the optimizer has such a mode."""

    def replaced(self) -> str:
        """Return which parameters became other objects, or changed dtype, shape or device; empty where none did."""

    def addresses(self) -> list[int]:
        """Return where each parameter's numbers lie in memory."""

    def zero_gradients(self, *, set_to_none: bool) -> bool | None:
        """Call the subject's ``zero_grad``. Returns ``set_to_none``, None where ``zero_grad`` does not take it."""


class Script(Protocol):
    """Writes a run as lines of plain Python that need no gdprops: each method is one call of `Run`.

    ``count`` is the number of tensors.
    """

    def head(self) -> str:
        """Return the imports."""

    def start(self, tensors: Sequence[Array], plan: Plan) -> list[str]:
        """Return the lines that build the subject's optimizer."""

    def step(self, gradients: Gradients, delivery: Delivery, plan: Plan) -> list[str]:
        """Return the lines that take one step; the plan is that of the run."""

    def gradients(self, gradients: Gradients) -> list[str]:
        """Return the lines that put gradients where a step with a closure finds them."""

    def closure(self, answers: Sequence[tuple[float, Gradients]], count: int) -> list[str]:
        """Return the lines that step with a closure, which returns these answers call by call."""

    def scale_rate(self, factor: float, rates: Sequence[float | None]) -> list[str]:
        """Return the lines that multiply the learning rates, which are ``rates`` by now."""

    def resume(self, plan: Plan, count: int, *, through_file: bool, flagged: bool) -> list[str]:
        """Return the lines that go on from the saved state; ``flagged``: with the plan's own implementation flags."""

    def place(self, weights: Sequence[Array]) -> list[str]:
        """Return the lines that overwrite all tensors."""

    def spoil(self, indices: Sequence[int]) -> list[str]:
        """Return the lines that overwrite the last gradients of some tensors in place."""

    def zero(self, *, set_to_none: bool | None) -> list[str]:
        """Return the lines that zero the gradients; None leaves the argument out."""

    def add_group(self, indices: Sequence[int], rate: float | None) -> list[str]:
        """Return the lines that add a parameter group."""

    def evaluate(self) -> list[str]:
        """Return the lines that switch to evaluation mode."""

    def readers(self, methods: Sequence[str]) -> list[str]:
        """Return the lines that call some of the subject's own methods."""

    def weight(self, index: int) -> str:
        """Return the expression of a tensor."""

    def gradient(self, index: int) -> str:
        """Return the expression of a tensor's gradient after a step."""

    def addresses(self, count: int) -> str:
        """Return the expression of the tensors' places in memory."""

    def forms(self, count: int) -> str:
        """Return the expression of what identifies the parameters, their dtypes and shapes."""

    def apart(self, shared: str) -> str:
        """Return the test that two tensors do not share memory, from a sentence of `Run.aliases`."""

    def dtypes(self, count: int) -> str:
        """Return the expression of the dtypes of the state."""


class Subject(Protocol):
    """User code that claims to do gradient descent, of any kind."""

    @property
    def name(self) -> str:
        """The subject's name in reports."""

    @property
    def kind(self) -> str:
        """The name of the subject's kind, as ``--as`` takes it."""

    @property
    def spec(self) -> str:
        """The subject string, such as ``package.module:Name``; empty where there is none."""

    @property
    def identity(self) -> Identity:
        """What tells the subject from all others, whichever way it is named."""

    @property
    def rule(self) -> str | None:
        """The published rule that the subject declares, or None."""

    @property
    def declared(self) -> Mapping[str, Measured]:
        """The traits that the user declared."""

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """What the user gave: hyperparameters, or what a training step declares."""

    @property
    def traits(self) -> Traits:
        """The traits of the subject, measured or declared; empty before the probe has run."""

    @property
    def calls(self) -> Calling:
        """What runs the subject's code, within a budget of time."""

    def prepared(self, traits: Traits, calls: Calling) -> Self:
        """Return this subject with its measured traits, and with a budget of time for its code."""


class FedSubject(Subject, Protocol):
    """A subject that gdprops feeds gradients: an optimizer, or an update rule of any framework."""

    @property
    def framework(self) -> str:
        """The framework that computes the gradients for this subject; empty where gdprops computes them itself."""

    @property
    def without_objects(self) -> str:
        """Why the subject has no parameter objects, closures and autograd gradients; empty where it has them."""

    @property
    def own_rate(self) -> float | None:
        """The learning rate that the user gave, None where the subject shows none."""

    def start(self, tensors: Sequence[Array], plan: Plan) -> Run:
        """Build the subject's optimizer anew, over copies of the tensors."""

    def accepts(self, option: str) -> bool:
        """Say whether the subject takes a hyperparameter that the user has not set."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every hyperparameter by name, as the user gave it or by default."""

    @property
    def user_object(self) -> Any:
        """The user's own class or function."""

    @property
    def script(self) -> Script:
        """What writes a run of the subject as plain Python."""


def step_with_closure(run: Run, gradients: Gradients) -> Stepped:
    """Take one step with a closure that returns these gradients; they are also put in place before the step."""
    run.hand_over(gradients)
    return run.step_closure(linear(gradients))


class System(Protocol):
    """Computes gradients of networks, and moves weights along them: in one step, or block by block in a sweep."""

    @property
    def name(self) -> str:
        """The system's name in messages."""

    @property
    def rational(self) -> bool:
        """Whether the system also computes with `fractions.Fraction`."""

    def loss(self, point: Point) -> float:
        """Return the loss J at the point."""

    def gradient(self, point: Point) -> list[Array | None]:
        """Return the gradients of all tensors at once; None for a frozen or unused tensor."""

    def block_by_block(self, point: Point, order: Sequence[int], *, retained: bool) -> list[Array | None]:
        """Return the gradients, computed one tensor after the other.

        ``retained``: all come from one retained graph; otherwise each comes from a fresh forward pass.
        """

    def directional(self, point: Point, direction: Sequence[Array]) -> float:
        """Return the derivative of J along a direction, in forward mode."""

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        """Return the flat gradient, computed with respect to the blocks of another partition."""

    def step(self, point: Point, rate: float | Fraction | Array) -> Array:
        """Return the flat trainable weights after one simultaneous step; the rate may differ from weight to weight."""

    def sweep(self, point: Point, blocks: Sequence[Block], rate: float | Fraction | Array) -> Array:
        """Return the flat trainable weights after a sweep: the blocks move one after the other, in this order."""

    def additive(self, point: Point, parts: Sequence[Batch]) -> list[Array | None]:
        """Return the weighted sum of the micro-batches' gradients."""

    def look(self, point: Point) -> Callable[[Array], Array]:
        """Return the flat gradient as a function of the flat weights; every call is one gradient evaluation."""

    def looks(self) -> int:
        """Return how many gradients were evaluated so far."""

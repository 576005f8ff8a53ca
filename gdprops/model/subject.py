"""What gdprops can examine, as protocols: a subject, one that is fed gradients, its runs, and systems that look."""

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
    from gdprops.model.network import Batch, Point

Gradients = Sequence["Array | None"]
Look = Callable[[Sequence["Array"]], tuple[float, Gradients]]
"""A closure over arrays: the weights in, the loss and the gradients out."""
CALLED_BLINDLY = "the closure is called with gradients disabled: its backward() cannot run"
"""How a step fails that calls its closure without ``torch.enable_grad()``."""


def linear(gradients: Gradients) -> Look:
    """Return a look at J = Σ ⟨g, w⟩, whose gradients are the same everywhere."""

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


@final
@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step with a closure did: how often it called it, and the number that it returned, if any."""

    looks: int
    returned: float | None


class Calling(Protocol):
    """Who runs the user's code: turns its exceptions into `SubjectCrash` and counts its time."""

    def to(self, doing: str) -> AbstractContextManager[None]:
        """Run the subject's code inside this context."""


class Run(Protocol):
    """One optimizer over its own copies of the tensors."""

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Take one step with these gradients; None is a missing one."""

    def draws_privately(self, gradients: Gradients) -> bool:
        """Take one step; say whether it was seen to draw from a random generator of its own."""

    def hand_over(self, gradients: Gradients) -> None:
        """Let gradients stand there before a step with a closure: SAM goes along them to where its closure looks."""

    def step_closure(self, look: Look) -> Stepped:
        """Take one step with a closure that looks at the current weights.

        Raises `Unsupported` where the subject's step takes no closure.
        """

    def takes_closure(self) -> None:
        """Raise `Unsupported` where a step takes no closure."""

    def call_readers(self, hyperparameter: str) -> None:
        """Call the subject's own further methods that need no argument and read a hyperparameter, if it has any."""

    def weights(self) -> list[Array]:
        """Return copies of all tensors as they are now."""

    def place(self, weights: Sequence[Array]) -> None:
        """Overwrite all tensors."""

    def rates(self) -> list[float | None]:
        """Return the learning rate in force for each tensor; None where the subject shows none."""

    def hyperparameters(self) -> list[Mapping[str, Any]]:
        """Return what the subject shows of the hyperparameters in force for each tensor."""

    def scale_rate(self, factor: float) -> None:
        """Multiply the learning rate of every group, as a scheduler does."""

    def resumed(self, *, plan: Plan | None = None, through_file: bool = False) -> Run:
        """Return a fresh run on copies of the weights that has loaded this one's saved state.

        ``plan`` may switch implementation flags; ``through_file`` saves to a file that is read with weights_only.
        """

    def cast_on_loading(self) -> str:
        """Return which number that is kept of a tensor loading casts, from which dtype to which; else nothing."""

    def add_group(self, indices: Sequence[int], rate: float | None) -> None:
        """Hand over further tensors in a group of their own, as ``add_param_group`` does."""

    def gradients(self) -> list[Array | None]:
        """Return what stands where the last step's gradients were handed over."""

    def spoil_gradients(self) -> None:
        """Overwrite the memory of the last step's gradients with NaN."""

    def aliases(self) -> list[str]:
        """Return which parts of the state share memory with a gradient, a parameter or each other."""

    def remembered(self) -> bytes:
        """Return a digest of the state."""

    def evaluate(self) -> bool:
        """Switch to evaluation mode; say whether there is such a mode."""

    def replaced(self) -> str:
        """Return which parameters are no longer the same objects, of the same form; nothing where all are."""

    def addresses(self) -> list[int]:
        """Return where each parameter's numbers lie in memory."""

    def zero_gradients(self, *, set_to_none: bool) -> None:
        """Call the subject's ``zero_grad``."""


class Subject(Protocol):
    """Something that claims to do gradient descent, of any kind: its name, what is declared of it, and who calls it."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def kind(self) -> str:
        """The name of its kind, as ``--as`` takes it."""

    @property
    def spec(self) -> str:
        """The subject string that names it, empty where there is none."""

    @property
    def rule(self) -> str | None:
        """The published rule that it declares to be."""

    @property
    def declared(self) -> Mapping[str, Measured]:
        """The traits that its owner declared."""

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """What the user gave it."""

    @property
    def traits(self) -> Traits:
        """What was measured of it; empty before the probe."""

    @property
    def calls(self) -> Calling:
        """Who runs its code, within a budget of time."""

    def prepared(self, traits: Traits, calls: Calling) -> Self:
        """Return the same subject with what was measured of it, and a budget of time."""


class FedSubject(Subject, Protocol):
    """A subject that gdprops feeds gradients: an optimizer, or an update rule of any framework."""

    @property
    def framework(self) -> str:
        """The framework whose gradients it is used with, empty where they are the reference's own."""

    @property
    def without_objects(self) -> str:
        """Why it has no parameter objects, closures and autograd gradients; empty where it has them."""

    @property
    def own_rate(self) -> float | None:
        """The learning rate that the user gave."""

    def start(self, tensors: Sequence[Array], plan: Plan) -> Run:
        """Build the subject afresh over copies of the tensors."""

    def accepts(self, option: str) -> bool:
        """Say whether the subject takes a hyperparameter that the user has not set."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every hyperparameter by name, as the user gave it or by default."""

    def script_head(self) -> str:
        """Return the imports of a plain script that runs it."""

    def script_start(self, tensors: Sequence[Array], plan: Plan) -> list[str]:
        """Return the lines of a plain script that start it."""

    def script_step(self, gradients: Gradients, delivery: Delivery) -> list[str]:
        """Return the lines of a plain script that take one step."""

    def script_gradients(self, gradients: Gradients) -> list[str]:
        """Return the lines that let gradients stand there."""

    def script_closure(self, answers: Sequence[tuple[float, Gradients]]) -> list[str]:
        """Return the lines that take one step with a closure which answers so, call after call."""


def step_with_closure(run: Run, gradients: Gradients) -> Stepped:
    """Take one step with a closure that gives these gradients, which stand there before it too."""
    run.hand_over(gradients)
    return run.step_closure(linear(gradients))


class System(Protocol):
    """A source of gradients, and the two ways to move along them."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def rational(self) -> bool:
        """Whether it computes on `fractions.Fraction` too."""

    def loss(self, point: Point) -> float:
        """Return J at the point."""

    def gradient(self, point: Point) -> list[Array | None]:
        """Return every tensor's gradient at once; None for a frozen or unused tensor."""

    def block_by_block(self, point: Point, order: Sequence[int], *, retained: bool) -> list[Array | None]:
        """Return the gradients one tensor after the other, from fresh forward passes or a retained graph."""

    def directional(self, point: Point, direction: Sequence[Array]) -> float:
        """Return the derivative of J along a direction, in forward mode."""

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        """Return the flat gradient, differentiated with respect to the blocks of another partition."""

    def step(self, point: Point, rate: float | Fraction | Array) -> Array:
        """Return the flat trainable weights after one simultaneous step; the rate may differ from weight to weight."""

    def sweep(self, point: Point, blocks: Sequence[Block], rate: float | Fraction | Array) -> Array:
        """Return the flat trainable weights after visiting the blocks in this order, moving each at once."""

    def additive(self, point: Point, parts: Sequence[Batch]) -> list[Array | None]:
        """Return the weighted sum of the micro-batches' gradients."""

    def look(self, point: Point) -> Callable[[Array], Array]:
        """Return the flat gradient as a function of the flat weights; each call is one look."""

    def looks(self) -> int:
        """Return how many gradient evaluations were made so far."""

"""What gdprops can examine: the two faces of a subject, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

from gdprops.model.layout import Layout
from gdprops.model.traits import Measured, Traits

if TYPE_CHECKING:
    from fractions import Fraction

    from gdprops.model.arrays import Array
    from gdprops.model.case import BackpropCase, Block, Plan
    from gdprops.model.network import Batch, Point

Gradients = Sequence["Array | None"]
Look = Callable[[Sequence["Array"]], tuple[float, Gradients]]
"""A closure over arrays: the weights in, the loss and the gradients out."""


class Delivery(StrEnum):
    """How a gradient reaches ``parameter.grad``."""

    ASSIGNED = "assigned"
    BACKWARD = "from backward()"
    GRAPH = "from backward(create_graph=True)"
    TRANSPOSED = "whose dimensions lie in reverse order in memory"
    STRIDED = "that are every second entry of a larger tensor"


@final
@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step with a closure did: how often it called it, and the number that it returned, if any."""

    looks: int
    returned: float | None


@final
@dataclass(frozen=True, slots=True)
class Domain:
    """What generation must know of a subject.

    ``precisions``: 53 and/or 24 significant bits; ``dimensions``: accepted numbers of dimensions, None for any;
    ``rate``: whether the learning rate can be set; ``groups``: whether several parameter groups are accepted;
    ``plain``: plain gradient descent, declared or probed; ``options``: further hyperparameters that the subject
    accepts, with the value that a case may switch on; ``empty``: whether tensors without entries are accepted;
    ``features``: what else it takes (``"closure"``, ``"bfloat16"``, ``"implementations"``); ``layout``: the shapes of
    a hand-written network; ``means``: whether losses must be means; ``window``: how many micro-batches make a logical
    step, ``tells_last``: whether a last window may be short; ``clip``: what gradients are clipped to;
    ``rule_options``: the same as ``options``, of the rule that the subject declares; ``rule_scales``: sizes of
    gradients that tell forms of that rule apart.
    """

    precisions: tuple[int, ...] = (53, 24)
    dimensions: frozenset[int] | None = None
    rate: bool = True
    groups: bool = True
    plain: bool = False
    options: Mapping[str, float | bool] = field(default_factory=dict)
    empty: bool = True
    features: frozenset[str] = frozenset()
    layout: Layout | None = None
    means: bool = False
    window: int = 1
    tells_last: bool = False
    clip: float | None = None
    rule_options: Mapping[str, float | bool] = field(default_factory=dict)
    rule_scales: tuple[float, ...] = (1.0,)


class Calling(Protocol):
    """Who runs the user's code: turns its exceptions into `SubjectCrash` and counts its time."""

    def to(self, doing: str) -> AbstractContextManager[None]:
        """Run the subject's code inside this context."""


class Run(Protocol):
    """One optimizer over its own copies of the tensors."""

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Take one step with these gradients; None is a missing one."""

    def step_closure(self, look: Look) -> Stepped:
        """Take one step with a closure that looks at the current weights.

        Raises `Unsupported` where the subject's step takes no closure.
        """

    def takes_closure(self) -> None:
        """Raise `Unsupported` where a step takes no closure."""

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
    """Something that claims to do gradient descent and is fed gradients."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def kind(self) -> str:
        """``"optimizer"`` or ``"update-rule"``."""

    @property
    def rule(self) -> str | None:
        """The published rule that it declares to be."""

    @property
    def declared(self) -> Mapping[str, Measured]:
        """The traits that its owner declared."""

    @property
    def spec(self) -> str:
        """The subject string that names it, empty where there is none."""

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """What the user gave it."""

    def prepared(self, traits: Traits, calls: Calling) -> Subject:
        """Return the same subject with what was measured of it, and a budget of time."""

    @property
    def traits(self) -> Traits:
        """What was measured of it; empty before the probe."""

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

    def script_closure(self, answers: Sequence[tuple[float, Gradients]]) -> list[str]:
        """Return the lines that take one step with a closure which answers so, call after call."""


class Live(NamedTuple):
    """The user's own module, its parameters in the order of the run's names, and what the running call was given.

    ``first`` is how many rows earlier calls of the same logical step were given.
    """

    model: Any
    parameters: Sequence[Any]
    inputs: Any
    first: int


@final
@dataclass(frozen=True, slots=True)
class Noticed:
    """What was seen of one logical step beside the weights.

    ``overflowed``: a gradient was not finite, so that a gradient scaler may have skipped the step; ``looks``: how many
    rows each differentiated forward pass of the model saw.
    """

    overflowed: bool = False
    looks: tuple[int, ...] = ()


class Training(Protocol):
    """A model that a user's step trains, and U(w, g, s) beside it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names."""

    @property
    def layers(self) -> tuple[tuple[int, ...], ...]:
        """Their indices layer by layer; a shared parameter stands in every layer that uses it."""

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Which of them require gradients."""

    @property
    def holds_the_model(self) -> bool:
        """Whether the user's optimizer, where there is one, holds any of the model's parameters."""

    def weights(self) -> list[Array]:
        """Return copies of all parameters as they are now."""

    def state(self) -> Any:
        """Return a copy of the state that U starts from."""

    def step(self, t: int) -> Any:
        """Let the user's step train on batch t."""

    def hyperparameters(self) -> Any:
        """Return the hyperparameters in force when the optimizer was called."""

    def noticed(self) -> Noticed:
        """Return what was seen of the last step beside the weights."""

    def clocks(self) -> tuple[tuple[str, float, float], ...]:
        """Return the parameters whose clock in the user's optimizer is not that of the update just computed."""

    def dialect(self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any) -> list[Array] | None:
        """Return the update as another legitimate dialect of what is declared has it, None where there is one only."""

    def gradients(
        self,
        weights: Sequence[Array],
        t: int,
        *,
        rows: slice = slice(None),
        shaken: bool = False,
        clipped: bool = True,
    ) -> list[Array | None]:
        """Return our own gradients of (some rows of) batch t; ``shaken`` moves the inputs by an ulp."""

    def rows(self, t: int) -> int:
        """Return how many rows batch t has."""

    def loss(self, weights: Sequence[Array], t: int) -> float:
        """Return J of batch t."""

    def allowed(self, weights: Sequence[Array], t: int) -> list[Array] | None:
        """Return how far each entry may be off after the step, None where noise floors must be measured."""

    def update(self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any) -> list[Array]:
        """Return U(w, g, s)."""

    def clip(self, gradients: Gradients) -> list[Array | None]:
        """Return gradients clipped as is declared."""

    def adopt(self) -> None:
        """Keep the state that the last update left."""

    @property
    def clip_norm(self) -> float | None:
        """The global norm that gradients are declared to be clipped to."""

    @property
    def batches(self) -> int:
        """How many batches there are."""

    @property
    def live(self) -> Live | None:
        """What can be watched while the user's step runs; None for plain arrays."""

    @property
    def is_anchored(self) -> bool:
        """Whether U starts every step from what the user's step left, and not from a state that only U went through."""

    def advance(
        self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any
    ) -> tuple[list[Array], Any]:
        """Return U(w, g, s) and the state after it."""


class TrainedSubject(Protocol):
    """A training step that is given a model."""

    def begin(self, case: Any) -> Training:
        """Build a fresh model and the user's step on it."""


class Written(Training, Protocol):
    """Hand-written backprop at work: what it says of its own gradients, and how sure the differences are."""

    def stated_gradients(self, t: int) -> list[Array | None]:
        """Return the user's gradients of batch t, None for a missing one."""

    def errors(self, weights: Sequence[Array], t: int) -> list[Array]:
        """Return how far each of our partial derivatives may be off."""

    def looked_at(self) -> list[tuple[str, list[str], list[Array], list[Array]]]:
        """Call what only looks: for each what it is, the names, and the arrays before and after."""


class WrittenSubject(Protocol):
    """Hand-written backprop that is given parameters."""

    @property
    def step(self) -> Callable[..., Any] | None:
        """The user's step."""

    @property
    def gradients(self) -> Callable[..., Any] | None:
        """The user's gradients."""

    def begin(self, case: BackpropCase) -> Written:
        """Hand fresh parameters to the user's functions."""


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

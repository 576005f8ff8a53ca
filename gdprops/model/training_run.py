"""Training as gdprops sees it: a model that a user's step trains, and the simultaneous update beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import BackpropCase
    from gdprops.model.subject import Gradients


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
    rows each differentiated forward pass of the model saw; ``undecided``: why no such step can be decided, empty where
    it can.
    """

    overflowed: bool = False
    looks: tuple[int, ...] = ()
    undecided: str = ""


class ModeChange(NamedTuple):
    """What went from training mode to evaluation mode: the whole model or not, and the modules' classes that matter."""

    whole: bool
    modules: tuple[str, ...]


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
    def held(self) -> tuple[bool, ...]:
        """Which parameters the user's optimizer holds; all of them where there is none."""

    def weights(self) -> list[Array]:
        """Return copies of all parameters as they are now."""

    def now(self) -> list[Array]:
        """Return all parameters where they lie: the user's next step moves them."""

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

    def look(self, weights: Sequence[Array], t: int) -> tuple[float, list[Array | None]]:
        """Return J of batch t and our own gradients of it."""

    def rows(self, t: int) -> int:
        """Return how many rows batch t has."""

    def loss(self, weights: Iterable[Array], t: int) -> float:
        """Return J of batch t."""

    def allowed(self, weights: Sequence[Array], t: int) -> list[Array] | None:
        """Return how far each entry may be off after the step, None where noise floors must be measured."""

    def update(self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any) -> list[Array]:
        """Return U(w, g, s)."""

    def passing_update(self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any) -> list[Array]:
        """Return U(w, g, s) where it was computed: the next look or update overwrites it."""

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
    def window(self) -> int:
        """How many micro-batches a whole window is declared to have."""

    def torn(self, weights: Sequence[Array], later: Sequence[Array], t: int) -> Gradients:
        """Return the gradients of a forward pass at some weights whose backward meets later ones."""

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


class StepTraining(Training, Protocol):
    """A training step at work: what ``build`` was given, and the modes in which its model is differentiated."""

    @property
    def frozen_before_build(self) -> tuple[bool, ...]:
        """Which of the parameters were frozen when ``build`` was given the model."""

    def gradients_unfrozen(self, weights: Sequence[Array], t: int) -> list[Array | None]:
        """Return our own gradients of batch t as they would be if nothing were frozen."""

    def answers_to_mode(self, weights: Sequence[Array], t: int) -> bool:
        """Say whether loss or gradients of batch t differ between training mode and evaluation mode."""

    def mode_changed(self, weights: Sequence[Array], t: int) -> ModeChange | None:
        """Return what was in training mode at step 1 and is in evaluation mode at step t; None where all is alike."""


class TrainedSubject(Protocol):
    """A training step that is given a model."""

    def begin(self, case: Any) -> Training:
        """Build a fresh model and the user's step on it."""


class BackpropTraining(Training, Protocol):
    """Hand-written backprop at work: what it says of its own gradients, and how sure the differences are."""

    def stated_gradients(self, t: int) -> list[Array | None]:
        """Return the user's gradients of batch t, None for a missing one."""

    def errors(self, weights: Sequence[Array], t: int) -> list[Array]:
        """Return how far each of our partial derivatives may be off."""

    def most_row_loss(self) -> float:
        """Return the largest loss of any row alone, times the number of outputs."""

    def looked_at(self) -> list[tuple[str, list[str], list[Array], list[Array]]]:
        """Call what only looks: for each what it is, the names, and the arrays before and after."""


class BackpropSubject(Protocol):
    """Hand-written backprop that is given parameters."""

    @property
    def step(self) -> Callable[..., Any] | None:
        """The user's step."""

    @property
    def gradients(self) -> Callable[..., Any] | None:
        """The user's gradients."""

    def begin(self, case: BackpropCase) -> BackpropTraining:
        """Hand fresh parameters to the user's functions."""

"""A training step at work: the user's step trains a model, and gdprops computes the update that it should make.

U(w, g, s) stands for that update: the weights after one simultaneous update from the weights w, with the gradients g
and the optimizer's state s. For plain gradient descent it is w - lr g.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import BackpropCase
    from gdprops.model.declared_parameters import Role
    from gdprops.model.log_guard import LogGuard
    from gdprops.model.subject import Gradients


class Live(NamedTuple):
    """The user's own module, its parameters in the order of the run's names, and what the current call was given.

    ``first`` is the number of rows that earlier calls of the same logical step were given.
    """

    model: Any
    parameters: Sequence[Any]
    inputs: Any
    first: int


@final
@dataclass(frozen=True, slots=True)
class Noticed:
    """What was seen of one logical step apart from the weights.

    ``overflowed``: a gradient was not finite, so a gradient scaler may have skipped the step. ``looks``: the number of
    rows of each differentiated forward pass of the model. ``undecided``: why no such step can be
    decided, empty where it can. ``stays``: why the weights stay where only a look has led; empty where they do not.
    ``elsewhere``: why a step that seems wrong is not decided, empty where it is.
    """

    overflowed: bool = False
    looks: tuple[int, ...] = ()
    undecided: str = ""
    stays: str = ""
    elsewhere: str = ""


class ModeChange(NamedTuple):
    """What went from training mode to evaluation mode: the whole model or not, and the modules' classes that matter."""

    whole: bool
    modules: tuple[str, ...]


class Training(Protocol):
    """A model that the user's step trains, and beside it the expected update U(w, g, s) of the same model."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names."""

    @property
    def layers(self) -> tuple[tuple[int, ...], ...]:
        """The indices of the parameters, layer by layer; a shared parameter stands in every layer that uses it."""

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Which parameters require gradients."""

    @property
    def held(self) -> tuple[bool, ...]:
        """Which parameters the user's optimizer holds; all of them where there is no optimizer."""

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The indices of the parameters in each group of the user's optimizer; none where there is no optimizer."""

    def weights(self) -> list[Array]:
        """Return copies of all parameters as they are now."""

    def now(self) -> list[Array]:
        """Return all parameters without copying them: the user's next step changes these arrays."""

    def state(self) -> Any:
        """Return a copy of the optimizer state from which U starts."""

    def step(self, t: int) -> Any:
        """Let the user's step train on batch t."""

    def hyperparameters(self) -> Any:
        """Return the hyperparameters that were in force when the user's step called the optimizer."""

    def noticed(self) -> Noticed:
        """Return what was seen of the last step apart from the weights."""

    def clocks(self) -> tuple[tuple[str, float, float], ...]:
        """Return the parameters whose step counter in the user's optimizer differs from the counter that U has."""

    def dialect(self, weights: Sequence[Array], t: int, state: Any, settings: Any) -> list[Array] | None:
        """Return the update by another legitimate form (dialect) of the declared rule, None where there is one only."""

    def gradients(
        self,
        weights: Sequence[Array],
        t: int,
        *,
        rows: slice = slice(None),
        shaken: bool = False,
        clipped: bool = True,
    ) -> list[Array | None]:
        """Return the gradients that gdprops computes for batch t, or for some of its rows.

        ``shaken`` moves the inputs by one ulp; ``clipped`` clips the gradients where the training step declares it.
        """

    def look(self, weights: Sequence[Array], t: int) -> tuple[float, list[Array | None]]:
        """Return the loss of batch t and the gradients that gdprops computes for it."""

    def rows(self, t: int) -> int:
        """Return how many rows batch t has."""

    def loss(self, weights: Iterable[Array], t: int) -> float:
        """Return the loss of batch t at these weights."""

    def allowed(self, weights: Sequence[Array], t: int) -> list[Array] | None:
        """Return how far each entry may be off after step t, None where noise floors must be measured instead."""

    def update(self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any) -> list[Array]:
        """Return the weights after the expected update, U(w, g, s)."""

    def passing_update(self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any) -> list[Array]:
        """Return U(w, g, s) without copying it: the next gradient evaluation or update overwrites these arrays."""

    def clip(self, gradients: Gradients) -> list[Array | None]:
        """Return the gradients, clipped as the training step declares."""

    def adopt(self) -> None:
        """Keep the optimizer state that the last update left."""

    @property
    def clip_norm(self) -> float | None:
        """The global norm that the training step declares to clip gradients to, or None."""

    @property
    def clip_value(self) -> float | None:
        """The bound that the training step declares to clip every entry of the gradients to, or None."""

    @property
    def batches(self) -> int:
        """How many batches there are."""

    @property
    def window(self) -> int:
        """The declared number of micro-batches in a whole window."""

    def torn(self, weights: Sequence[Array], later: Sequence[Array], t: int) -> Gradients:
        """Return gradients whose forward pass saw ``weights`` and whose backward pass saw the ``later`` weights."""

    @property
    def live(self) -> Live | None:
        """The user's module, which can be watched while the step runs; None where there are only arrays."""

    @property
    def is_anchored(self) -> bool:
        """Whether U starts each step from the state that the user's step left, not from one that only U updated."""

    def advance(
        self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any
    ) -> tuple[list[Array], Any]:
        """Return U(w, g, s) and the optimizer state after it."""


class StepTraining(Training, Protocol):
    """A training step at work: what ``build`` was given, and the modes in which its model is differentiated."""

    @property
    def frozen_before_build(self) -> tuple[bool, ...]:
        """Which of the parameters were frozen when ``build`` was given the model, where nothing else is declared."""

    @property
    def built_optimizer(self) -> tuple[Any, Any]:
        """Each group's hyperparameters as ``build`` has left them, and the optimizer's defaults."""

    def called_with(self) -> Any:
        """Return the returned optimizer's hyperparameters as they were when it was called, None if it was not."""

    @property
    def average(self) -> Any:
        """The averaged copy of the model as it was before and after the last step; None where none is declared."""

    @property
    def resuming(self) -> Any:
        """What saves and loads the whole training."""

    @property
    def random_numbers(self) -> Any:
        """The random numbers from which the user's next step starts."""

    def go_on_from(self, random: Any, taken: int) -> None:
        """Go on as a training does that has taken some steps and was loaded since."""

    def averages(self) -> list[Array]:
        """Return the numbers of the averaged copy as they are now; none where none is declared."""

    @property
    def held_tensors(self) -> Sequence[Any]:
        """What the user's optimizer holds, of the model or not."""

    @property
    def returned(self) -> Any:
        """What the user's step returned at its last call."""

    @property
    def roles(self) -> tuple[Role | None, ...]:
        """What is declared of each parameter, whether it trains or rests; None where nothing is."""

    @property
    def trains_now(self) -> tuple[bool, ...]:
        """Which of the parameters require gradients now."""

    def counts(self, t: int) -> tuple[float, ...] | None:
        """Return what each micro-batch of logical step t counts in its window; None where that is not declared."""

    def single_update(
        self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any = None
    ) -> tuple[list[Array], Any]:
        """Return the weights and the state after an update that looks once, where ``looks=`` declares two."""

    def gradients_unfrozen(self, weights: Sequence[Array], t: int) -> list[Array | None]:
        """Return our own gradients of batch t as they would be if nothing were frozen."""

    def answers_to_mode(self, weights: Sequence[Array], t: int) -> bool:
        """Say whether loss or gradients of batch t differ between training mode and evaluation mode."""

    def mode_changed(self, weights: Sequence[Array], t: int) -> ModeChange | None:
        """Return what was in training mode at step 1 and is in evaluation mode at step t; None where all is alike."""


class TrainedSubject(Protocol):
    """A subject that trains a model: a training step."""

    def begin(self, case: Any) -> Training:
        """Build a fresh model, and the user's training step for it."""


class BackpropTraining(Training, Protocol):
    """A run of hand-written backprop: it also shows the user's own gradients, and how exact the numerical ones are."""

    def stated_gradients(self, t: int) -> list[Array | None]:
        """Return the gradients of batch t that the user's function returns, None for a missing one."""

    def errors(self, weights: Sequence[Array], t: int) -> list[Array]:
        """Return how far each numerical partial derivative of batch t may be off."""

    def most_row_loss(self) -> float:
        """Return the largest loss of a single row, times the number of outputs."""

    def looked_at(self) -> list[tuple[str, list[str], list[Array], list[Array]]]:
        """Call every function once, and return what it must not change.

        Returns:
            For each function its name, the names of these arguments, and their values before and after the call.
        """


class BackpropSubject(Protocol):
    """Hand-written backprop as a subject."""

    @property
    def unbounded(self) -> str:
        """Why no loss of it can fall for long; empty where one can."""

    @property
    def guards(self) -> Sequence[LogGuard]:
        """The constants that keep the loss's logarithms finite."""

    def without_guards(self) -> BackpropSubject:
        """Return the subject held to its loss without these constants."""

    def trial(self) -> BackpropCase:
        """Return the case on which the subject was tried: no two of its sizes are alike, and none is 1."""

    @property
    def step(self) -> Callable[..., Any] | None:
        """The user's ``step`` function, or None."""

    @property
    def gradients(self) -> Callable[..., Any] | None:
        """The user's ``gradients`` function, or None."""

    def begin(self, case: BackpropCase) -> BackpropTraining:
        """Start a run: give fresh parameters to the user's functions."""

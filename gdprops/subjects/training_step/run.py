"""A run of a training step: the user's step trains the user's model, and gdprops computes U(w, g(w), s) beside it.

Hooks on the user's model and optimizer show what the expected update needs to know: which forward pass was
differentiated and which state it met, and which hyperparameters were in force.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from gdprops.errors import SubjectCrash, Unsupported, text_of
from gdprops.model.training_run import Live, ModeChange, Noticed
from gdprops.numerics.decisions import LARGE_MODEL, WATCHED_WEIGHTS
from gdprops.subjects.torch_optimizer.state import clocks_of, fingerprint, held_by, settings_of, snapshot
from gdprops.subjects.training_step.expected_update import EXPECTATION, Expected
from gdprops.subjects.training_step.forward_passes import Passes, weakly
from gdprops.subjects.training_step.judgeable import require_its_shapes, require_known_updates
from gdprops.subjects.training_step.mode_changes import mode_change
from gdprops.subjects.training_step.network_modules import layers_of
from gdprops.subjects.training_step.refusals import NO_GRADIENT, unscaled
from gdprops.subjects.training_step.structures import rows_in
from gdprops.subjects.training_step.tasks import Data
from gdprops.subjects.training_step.turns import turns_taken
from gdprops.subjects.user_code.isolation import RandomState
from gdprops.subjects.user_code.signatures import parameters_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.counterpart import Counterpart
    from gdprops.subjects.training_step.declaration import Declaration, Step
    from gdprops.subjects.training_step.forward_state import ForwardState
    from gdprops.subjects.training_step.tasks import Task

NOT_INITIALIZED = (
    "the optimizer that it returns never calls torch.optim.Optimizer.__init__, so that its steps cannot be watched: "
    "call super().__init__ in it, or return the step alone and " + EXPECTATION
)
AUTOCAST = (
    "autocast rounds the step's forward pass, and gdprops computes in float32; leave autocast out, or hand over a "
    f"model of at most {LARGE_MODEL:,} weights: in float64 autocast rounds nothing"
)
REENTRANT = "Checkpointing is not compatible with .grad()"


@final
class Training:
    """One run: the user's model, step and optimizer, all built anew."""

    def __init__(
        self,
        declared: Declaration,
        task: Task,
        model: nn.Module,
        ours: Counterpart,
        step: Step,
        optimizer: torch.optim.Optimizer | None,
        frozen_before_build: frozenset[str] = frozenset(),
    ) -> None:
        self._declared, self._task, self._step, self._optimizer = declared, task, step, optimizer
        self._model, self._parameters = model, dict(model.named_parameters())
        self._inputs: Any = None
        self._first = 0
        self.names, self.layers = tuple(self._parameters), layers_of(model)
        self.trainable = tuple(p.requires_grad for p in self._parameters.values())
        """Which of the parameters required gradients when ``build`` handed the step over: a step may change that."""
        self.frozen_before_build = tuple(name in frozen_before_build for name in self.names)
        """Which of them required none when ``build`` was given the model."""
        self._expected = Expected(declared, task, ours)
        self._expected.mirror(model)
        self.is_copied = ours.copied
        self.told_last = "last" in (parameters_of(step) or {})  # wants to know which call is the last of a window
        self._called = list[list[dict[str, Any]]]()
        self._passes, self._overflowed = Passes(model), False
        self._given, self._arrived_at = set[int](), set[int]()
        self._at: list[Array] = []
        self._own_random = self._known_random = RandomState()
        self._taken, self._remembers, self._turns = 0, False, ""
        self._first_met: ForwardState | None = None
        self._last_met: ForwardState | None = None
        self._at_first = () if optimizer is None else fingerprint(optimizer)
        self._sizes: tuple[int, ...] | None = None
        self._watch()

    def _watch(self) -> None:
        if self._optimizer is not None:
            try:
                self._optimizer.register_step_pre_hook(weakly(self._remember))
            except AttributeError as error:
                raise Unsupported(NOT_INITIALIZED) from error
        moving = [(i, p) for i, p in enumerate(self._parameters.values()) if p.requires_grad]
        if sum(p.numel() for _, p in moving) <= WATCHED_WEIGHTS:
            for i, p in moving:
                p.register_hook(partial(weakly(self._arrived), i))  # type: ignore[no-untyped-call] # torch's own

    def _remember(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Record the hyperparameters in force when the optimizer is called: a scheduler may have stepped before."""
        self._called.append(settings_of(optimizer))
        self._given |= self._with_grad()
        self._expected.by_closure |= any(callable(given) for given in (*args, *kwargs.values()))

    def _arrived(self, i: int, gradient: Tensor) -> None:
        self._arrived_at.add(i)
        self._overflowed = self._overflowed or not math.isfinite(float(gradient.detach().sum()))

    def _with_grad(self) -> set[int]:
        """Return the parameters whose ``.grad`` is set now."""
        return {i for i, p in enumerate(self._parameters.values()) if p.grad is not None}

    def _updated_by_a_gradient(self) -> set[int]:
        """Return the parameters that had a gradient when the update ran.

        That is their ``.grad`` where the returned optimizer was called. Where it was not, a gradient that autograd
        handed over counts too: an update that is written by hand may keep it anywhere.
        """
        return self._given if self._called else self._arrived_at | self._with_grad()

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The indices of the parameters in each group of the user's optimizer."""
        position = {id(p): i for i, p in enumerate(self._parameters.values())}
        groups = [] if self._optimizer is None else self._optimizer.param_groups
        return tuple(tuple(position[id(p)] for p in group["params"] if id(p) in position) for group in groups)

    @property
    def has_optimizer(self) -> bool:
        """Whether ``build`` returned an optimizer beside the step."""
        return self._optimizer is not None

    @property
    def held(self) -> tuple[bool, ...]:
        """Which parameters the user's optimizer holds; all of them where there is no optimizer."""
        if self._optimizer is None:
            return tuple(True for _ in self._parameters)
        held = set(map(id, held_by(self._optimizer)))
        return tuple(id(p) in held for p in self._parameters.values())

    def weights(self) -> list[Array]:
        """Return copies of all parameters, in the order of ``named_parameters()``."""
        self._at = [w.copy() for w in self.now()]  # copies, because the next step overwrites the parameters in place
        return self._at

    def now(self) -> list[Array]:
        """Return all parameters without copying them: the user's next step changes these arrays."""
        return [p.detach().numpy() for p in self._parameters.values()]

    def state(self) -> Any:
        """Return a copy of the state from which U starts: of the user's optimizer, or of the declared rule."""
        if self._optimizer is None or self._expected.is_declared:
            return self._expected.adopted
        found = snapshot(self._optimizer)
        if self._expected.adopted is not None and self._begins_anew():
            return self._expected.adopted[0], found[1]
        self._remembers = self._remembers or self._taken > 0
        return found

    def _begins_anew(self) -> bool:
        """Say whether the user's optimizer has never yet kept anything from one step for the next.

        Its state should persist, so U then goes on from the state that U itself has left. An optimizer that has kept a
        state once, and later starts anew, does so by the user's choice.
        """
        untouched = self._optimizer is not None and fingerprint(self._optimizer) in ((), self._at_first)
        return untouched and self._taken > 0 and not self._remembers

    def step(self, t: int) -> Any:
        """Let the user's step take logical step t, in as many calls as are declared; return the last call's result."""
        self._called.clear()
        self._given, self._arrived_at = set[int](), set[int]()
        self._taken += 1
        self._overflowed, returned = False, None
        self._own_random.put()  # gdprops' own forward passes have drawn random numbers since
        before, outside = self._passes.begin(), RandomState(like=self._known_random)
        if not any(self.trainable):
            raise Unsupported("every parameter is frozen")
        calls = self._task.calls(t)
        self._sizes = tuple(rows_in(data) for data in calls) if self._declared.accumulate > 1 else None
        self._inputs, self._first = None, 0
        for number, data in enumerate(calls, start=1):
            told = {"last": number == len(calls)} if self.told_last else {}
            self._inputs, self._first = data.inputs, self._first + rows_in((self._inputs,))
            returned = self._call(t, *data, **told)
        require_its_shapes(self._parameters, self._at)
        if self._declared.rule_factory is None and self._declared.lr is None:
            require_known_updates(self._parameters, self.held, self.trainable, self._at)
        self._turns = self._turns or self._takes_turns()
        self._expected.reached_otherwise = self._updated_by_a_gradient()
        met, after = self._forward_pass(before, t), RandomState(like=outside)
        draws, self._known_random = after.differs_outside_torch(outside), after
        self._own_random = after if draws else RandomState(all_of_them=False)
        looked = met._replace(random=outside.with_torch(met.random)) if draws else met
        self._expected.look_from(looked)
        self._last_met = looked if self._passes.differentiated else None
        self._first_met = self._last_met if self._taken == 1 else self._first_met
        return returned

    def _takes_turns(self) -> str:
        """Return why a step is not decided whose parameters take turns, an empty text where they do not."""
        now = [p.requires_grad for p in self._parameters.values()]
        moves = [not np.array_equal(w, before) for w, before in zip(self.now(), self._at, strict=False)]
        return turns_taken(self.names, self.trainable, now, moves, first=self._taken == 1)

    def _forward_pass(self, before: ForwardState, t: int) -> ForwardState:
        """Return the state that the differentiated forward pass met; gdprops' own passes start from it.

        Raises `Unsupported` where there were several passes that would give different results.
        """
        now, passes = RandomState(all_of_them=False), self._passes.differentiated
        met = [one.met for one in passes]
        if any(one.rounds for one in passes):
            raise Unsupported(AUTOCAST)
        if now.torch_bytes != before.random.torch_bytes and len({m.drawn for m in met}) != 1:
            raise Unsupported("torch's random numbers are not drawn in one single forward pass of the model")
        if len({m.modes for m in met}) > 1 and not self._expected.is_the_same_in(met, self._at or self.weights(), t):
            raise Unsupported("the model is differentiated in training and in evaluation mode, with different results")
        return met[0] if met else before

    def answers_to_mode(self, weights: Sequence[Array], t: int) -> bool:
        """Say whether loss or gradients of batch t differ between training mode and evaluation mode."""
        met = self._last_met
        if met is None:
            return False
        return not self._expected.is_the_same_in((met.in_mode(training=True), met.in_mode(training=False)), weights, t)

    def mode_changed(self, weights: Sequence[Array], t: int) -> ModeChange | None:
        """Return what was in training mode at step 1 and in evaluation mode when step t was differentiated.

        None where nothing was, or where loss and gradients of batch t at the weights are the same in both modes.
        """
        first, now = self._first_met, self._last_met
        if first is None or now is None:
            return None
        return mode_change(self._model, first, now, lambda states: self._expected.is_the_same_in(states, weights, t))

    def _call(self, t: int, inputs: Any, targets: Any, **told: bool) -> Any:
        try:
            with self._declared.calls.to("step(inputs, targets)"):
                return self._step(inputs, targets, **told)
        except SubjectCrash as crash:
            if REENTRANT in text_of(crash.error):
                raise Unsupported("re-entrant checkpoints allow no torch.autograd.grad") from crash
            if self._has_no_gradient(unscaled(crash), t):
                raise Unsupported(NO_GRADIENT) from crash
            if turns := self._turns or self._takes_turns():
                raise Unsupported(turns) from crash
            if not any(p.requires_grad for p in self._parameters.values()):  # of one parameter none is left
                raise Unsupported("the step has frozen every parameter") from crash
            raise

    def _has_no_gradient(self, held: Sequence[Any] | None, t: int) -> bool:
        """Say whether none of an optimizer's parameters has a gradient, on a network that is none of the user's."""
        if not held or self._declared.own is not None:
            return False
        pairs = zip(self._parameters.values(), self.gradients(self._at, t), strict=True)
        without = {id(p) for p, g in pairs if g is None}
        return all(id(p) in without for p in held)

    def hyperparameters(self) -> Any:
        """Return each group's hyperparameters as they were when the optimizer was called, None if it was not."""
        return self._called[0] if self._called else None

    def noticed(self) -> Noticed:
        """Return what was seen of the last step apart from the weights."""
        grads = [] if self._called else [p.grad for p in self._parameters.values() if p.grad is not None]
        overflowed = self._overflowed or not all(math.isfinite(float(g.sum())) for g in grads)
        looks = tuple(one.rows for one in self._passes.differentiated) if self._sizes is None else self._sizes
        return Noticed(overflowed, looks, self._turns)

    def clocks(self) -> tuple[tuple[str, float, float], ...]:
        """Return the parameters whose step counter in the user's optimizer is not U's: name, user's, U's counter."""
        if self._optimizer is None or self._expected.is_declared or not self._called:
            return ()
        called = {id(p): name for name, p in self._parameters.items()}
        found = zip(held_by(self._optimizer), clocks_of(self._optimizer), self._expected.clocks(), strict=False)
        return tuple(
            (called.get(id(p), "?"), seen, wanted)
            for p, seen, wanted in found
            if seen is not None and wanted is not None and seen != wanted
        )

    def gradients(
        self, weights: Sequence[Array], t: int, *, rows: slice = slice(None), shaken: bool = False, clipped: bool = True
    ) -> list[Array | None]:
        """Return the gradients that gdprops computes for batch t, or for some of its rows.

        ``shaken`` moves the inputs by one ulp; ``clipped`` clips the gradients as declared.
        """
        found = self._expected.gradients(weights, t, rows=rows, shaken=shaken)
        return self._expected.clipped(found) if clipped else found

    def gradients_unfrozen(self, weights: Sequence[Array], t: int) -> list[Array | None]:
        """Return our own gradients of batch t as they would be if nothing were frozen."""
        return self._expected.gradients_unfrozen(weights, t)

    def look(self, weights: Sequence[Array], t: int) -> tuple[float, list[Array | None]]:
        """Return the loss of batch t and gdprops' gradients of it, from one forward pass."""
        found = self.gradients(weights, t)
        return self._expected.value, found

    def rows(self, t: int) -> int:
        """Return how many rows logical step t is given."""
        return self._task.rows(t)

    def loss(self, weights: Iterable[Array], t: int) -> float:
        """Return the loss of batch t at these weights, on gdprops' own model."""
        return self._expected.loss(weights, t)

    def allowed(self, weights: Sequence[Array], t: int) -> None:
        """Return None: noise floors must be measured, because the model's operations are not known."""

    def dialect(self, weights: Sequence[Array], t: int, state: Any, settings: Any) -> list[Array] | None:
        """Return the update with the other legitimate form of clipping, by C / N instead of C / (N + 1e-6)."""
        if self._declared.clip_norm is None:
            return None
        other = self._expected.clipped_without_guard(self.gradients(weights, t, clipped=False))
        return None if other is None else self._expected.update(weights, other, state, settings)

    def clip(self, gradients: Sequence[Array | None]) -> list[Array | None]:
        """Return the gradients, clipped as declared."""
        return self._expected.clipped(list(gradients))

    def adopt(self) -> None:
        """Keep the state that the last update left, where U goes on from it.

        That is so for a declared rule, without an optimizer, and while the user's optimizer has never kept any state.
        """
        if self._optimizer is None or self._expected.is_declared or self._begins_anew():
            self._expected.adopt()

    @property
    def clip_norm(self) -> float | None:
        """The global norm that the training step declares to clip gradients to, or None."""
        return self._declared.clip_norm

    @property
    def window(self) -> int:
        """The declared number of micro-batches in a whole window."""
        return self._declared.accumulate

    def torn(self, weights: Sequence[Array], later: Sequence[Array], t: int) -> list[Array | None]:
        """Return gradients whose forward pass saw ``weights`` and whose backward pass saw the ``later`` weights."""
        return self._expected.gradients(weights, t, later=later)

    def gradients_of(
        self, weights: Sequence[Array], inputs: Array, targets: Array, change: Callable[[Tensor], Tensor]
    ) -> list[Array | None]:
        """Return our gradients of such data, where the model's outputs are changed before the loss; not clipped."""
        data = Data(torch.from_numpy(inputs.copy()), torch.from_numpy(targets.copy()))
        return self._expected.gradients_of(weights, data, change)

    def data(self, t: int) -> Data:
        """Return everything that logical step t is given."""
        return self._task.whole(t)

    @property
    def batches(self) -> int:
        """How many logical steps there are."""
        return self._task.steps

    @property
    def live(self) -> Live:
        """The user's model and its parameters, which can be watched while the step runs."""
        return Live(self._model, tuple(self._parameters.values()), self._inputs, self._first)

    @property
    def is_anchored(self) -> bool:
        """Whether U starts from the user's optimizer's state, or has none; a declared rule keeps its own state."""
        return not self._expected.is_declared

    def advance(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> tuple[list[Array], Any]:
        """Return U(w, g, s) and the optimizer state after it."""
        return self._expected.update(weights, gradients, state, settings), self._expected.snapshot()

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any = None
    ) -> list[Array]:
        """Return the weights after the expected update, U(w, g, s)."""
        return self._expected.update(weights, gradients, state, settings)

    def passing_update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return U(w, g, s) without copying it: the next gradient evaluation or update overwrites these arrays."""
        return self._expected.passing_update(weights, gradients, state, settings)

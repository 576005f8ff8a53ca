"""A run of a training step: the user's step trains the user's model, and gdprops computes U(w, g(w), s) beside it.

Hooks on the user's model and optimizer show what the expected update needs to know: which forward pass was
differentiated and which state it met, and which hyperparameters were in force.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported, text_of
from gdprops.model.training_run import Live, ModeChange, Noticed
from gdprops.numerics.decisions import WATCHED_WEIGHTS
from gdprops.subjects.torch_optimizer.state import clocks_of, held_by, holds, places_in_groups, settings_of
from gdprops.subjects.training_step.average import AverageWatch
from gdprops.subjects.training_step.computed import Computed
from gdprops.subjects.training_step.expected_update import EXPECTATION, Expected
from gdprops.subjects.training_step.forward_passes import Passes, weakly
from gdprops.subjects.training_step.judgeable import require_its_shapes, require_known_updates
from gdprops.subjects.training_step.looks import ANEW, BY_HAND, KEPT, Looks, MethodWatch, looks_of, stays
from gdprops.subjects.training_step.mode_changes import mode_change
from gdprops.subjects.training_step.network_modules import layers_of
from gdprops.subjects.training_step.optimizer_memory import OptimizerMemory
from gdprops.subjects.training_step.own_batches import ELSEWHERE, OwnBatches
from gdprops.subjects.training_step.refusals import NO_GRADIENT, unscaled
from gdprops.subjects.training_step.resuming import Resuming
from gdprops.subjects.training_step.returned import SeveralOptimizers, in_force, skipped_optimizers
from gdprops.subjects.training_step.structures import rows_in
from gdprops.subjects.training_step.turns import Turns
from gdprops.subjects.training_step.window_states import window_states, with_outside
from gdprops.subjects.user_code.isolation import RandomState
from gdprops.subjects.user_code.signatures import parameters_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.counterpart import Counterpart
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.forward_state import ForwardState
    from gdprops.subjects.training_step.returned import Returned
    from gdprops.subjects.training_step.tasks import Data, Task

NOT_INITIALIZED = (
    "the optimizer that it returns never calls torch.optim.Optimizer.__init__, so that its steps cannot be watched: "
    "call super().__init__ in it, or return the step alone and " + EXPECTATION
)
REENTRANT = "Checkpointing is not compatible with .grad()"


@final
class Training(Computed):
    """One run: the user's model, step and optimizer, all built anew."""

    def __init__(
        self,
        declared: Declaration,
        task: Task,
        model: nn.Module,
        ours: Counterpart,
        built: Returned,
        frozen_before_build: frozenset[str] = frozenset(),
    ) -> None:
        step, optimizer = built.step, built.optimizer
        self._step, self._optimizer = step, optimizer
        self.step_at = built.at
        self._model, self._parameters = model, dict(model.named_parameters())
        self._inputs: Any = None
        self._first = 0
        self.names, self.layers = tuple(self._parameters), layers_of(model)
        given_frozen = tuple(name in frozen_before_build for name in self.names)
        self._declared_turns = Turns(declared.parameters, model, given_frozen)
        self.roles, wake = self._declared_turns.roles, self._declared_turns.wake
        self.trainable = tuple(p.requires_grad or i in wake for i, p in enumerate(self._parameters.values()))
        """Which of the parameters required gradients when ``build`` handed the step over, or are to later."""
        self.frozen_before_build = tuple(f and r is None for f, r in zip(given_frozen, self.roles, strict=True))
        """Which of them required none when ``build`` was given the model, where nothing else is declared of them."""
        for i in wake:
            ours.moved[i].requires_grad_()
        super().__init__(declared, task, Expected(declared, task, ours))
        self._expected.mirror(model)
        self.is_copied = ours.copied
        self.told_last = "last" in (parameters_of(step) or {})  # wants to know which call is the last of a window
        self.around: Callable[[], AbstractContextManager[Any]] = nullcontext
        """Makes what surrounds each call of the user's step: who watches the step sees nothing of gdprops' own."""
        self._called = list[tuple[Any, list[dict[str, Any]]]]()
        self._passes, self._overflowed = Passes(model, built.forward_by), False
        self._given, self._arrived_at = set[int](), set[int]()
        self._at: list[Array] = []
        self._own_random = self._known_random = RandomState()
        self._taken, self._turns = 0, ""
        self._state_before: Any = None
        self._memory = None if optimizer is None else OptimizerMemory(optimizer)
        self._first_met: ForwardState | None = None
        self._last_met: ForwardState | None = None
        self.built_optimizer = ([], {}) if optimizer is None else (settings_of(optimizer), dict(optimizer.defaults))
        """Each group's hyperparameters as ``build`` has left them, and the optimizer's defaults."""
        self.returned: Any = None
        returned = built.beside.get("average")
        self.average = None if declared.average is None else AverageWatch(returned, model, declared.name)
        """The averaged copy, where one is declared."""
        self.resuming = Resuming(model, built, declared.calls)
        """Saves and loads the whole training."""
        self._sizes: tuple[int, ...] | None = None
        self._methods: MethodWatch | None = None
        self._own_batches: OwnBatches | None = None
        if declared.habits.own_batches:
            self.follow_batches()
        self._watch()

    def follow_batches(self) -> OwnBatches:
        """From now on, find out whether the step looks at the batches that it is handed."""
        self._own_batches = found = OwnBatches(self._task)
        self._passes.notes = found.notes
        return found

    def _watch(self) -> None:
        if self._optimizer is not None:
            try:
                self._optimizer.register_step_pre_hook(weakly(self._remember))
            except AttributeError as error:
                raise Unsupported(NOT_INITIALIZED) from error
            if not isinstance(self._optimizer, SeveralOptimizers) and not self._expected.is_declared:
                self._methods = MethodWatch(self._optimizer, partial(len, self._passes))
        moving = [(i, p) for i, p in enumerate(self._parameters.values()) if p.requires_grad]
        if sum(p.numel() for _, p in moving) <= WATCHED_WEIGHTS:
            for i, p in moving:
                p.register_hook(partial(weakly(self._arrived), i))  # type: ignore[no-untyped-call] # torch's own

    def _remember(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Record the hyperparameters in force when the optimizer is called: a scheduler may have stepped before."""
        self._called.append((optimizer, settings_of(optimizer)))
        self._given |= self._with_grad()
        self._declared_turns.note_gradients()
        self._expected.by_closure |= any(callable(given) for given in (*args, *kwargs.values()))

    def _arrived(self, i: int, gradient: Tensor | None) -> None:
        if gradient is None:  # a function of the user's own has moved the parameter, and returns no gradient for it
            return
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
        return places_in_groups(self._optimizer, self._parameters.values())

    @property
    def has_optimizer(self) -> bool:
        """Whether ``build`` returned an optimizer beside the step."""
        return self._optimizer is not None

    @property
    def held(self) -> tuple[bool, ...]:
        """Which parameters the user's optimizer holds; all of them where there is no optimizer."""
        return holds(self._optimizer, self._parameters.values())

    @property
    def held_tensors(self) -> list[Tensor]:
        """What the user's optimizer holds, of the model or not."""
        return [] if self._optimizer is None else held_by(self._optimizer)

    def averages(self) -> list[Array]:
        """Return the numbers of the averaged copy as they are now; none where none is declared."""
        return [] if self.average is None else self.average.numbers()

    @property
    def random_numbers(self) -> RandomState:
        """The random numbers from which the user's next step starts."""
        return self._own_random

    def go_on_from(self, random: RandomState, taken: int) -> None:
        """Go on as a training does that has taken some steps and was loaded since."""
        self._own_random, self._taken = random, taken

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
        assert self._memory is not None, "there is an optimizer"
        self._state_before = self._memory.state(self._expected.adopted, taken=self._taken)
        return self._state_before

    def _begins_anew(self) -> bool:
        return self._memory is not None and self._memory.begins_anew(taken=self._taken)

    def step(self, t: int) -> Any:
        """Let the user's step take logical step t, in as many calls as are declared; return the last call's result."""
        self._called.clear()
        if self._methods is not None:
            self._methods.begin()
        self._declared_turns.begin()
        self._given, self._arrived_at = set[int](), set[int]()
        self._taken += 1
        self._overflowed, returned = False, None
        if self.average is not None:
            self.average.begin()
        self._own_random.put()  # gdprops' own forward passes have drawn random numbers since
        before, outside = self._passes.begin(), RandomState(like=self._known_random)
        if not any(self.trainable):
            raise Unsupported("every parameter is frozen")
        calls = self._task.calls(t)
        self._sizes = tuple(rows_in(data) for data in calls) if self._declared.accumulate > 1 else None
        self._inputs, self._first = None, 0
        if self._own_batches is not None:
            self._own_batches.begin()
        for number, data in enumerate(calls, start=1):
            told = {"last": number == len(calls)} if self.told_last else {}
            self._inputs, self._first = data.inputs, self._first + rows_in((self._inputs,))
            returned = self._followed_call(t, data, told)
        if self._own_batches is not None:
            self._own_batches.end(t)
        require_its_shapes(self._parameters, self._at)
        self.returned = returned
        if self.average is not None:
            self.average.end()
        if self._declared.phases is None:
            self._look_back(t, before, outside)
        else:
            self._own_random = RandomState()  # what the phases should have done is computed elsewhere
        return returned

    def _look_back(self, t: int, before: ForwardState, outside: RandomState) -> None:
        """Find out what the expected update of the last step must know: where it looked, and what it did not train."""
        if self._declared.rule_factory is None and self._declared.lr is None:
            require_known_updates(self._parameters, self.held, self.trainable, self._at)
        self._turns = self._turns or self._takes_turns() or skipped_optimizers(self._optimizer, self._called)
        self._expected.differentiate(self._declared_turns.differentiated(self._taken, self._at))
        self._expected.reached_otherwise = self._updated_by_a_gradient()
        looks = self._looks()
        several = bool(looks.are_several or looks.ways or self._expected.closure_met)
        window = () if several else window_states(self._passes.differentiated, self._sizes)
        met = self._passes.met(
            before,
            lambda met: self._expected.is_the_same_in(met, self._at or self.weights(), t),
            one_look=not (several or window),
        )
        after = RandomState(like=outside)
        draws, self._known_random = after.differs_outside_torch(outside), after
        self._own_random = after if draws else RandomState(all_of_them=False)
        looked = met._replace(random=outside.with_torch(met.random)) if draws else met
        self._expected.look_from(looked, with_outside(window, outside) if draws else window, t)
        self._expected.remember(t, self._as_it_went(looks, t), self.groups)
        self._last_met = looked if self._passes.differentiated else None
        self._first_met = self._last_met if self._taken == 1 else self._first_met

    def _looks(self) -> Looks:
        """Return how the last step has called its optimizer, as far as it looks more than once."""
        if self._methods is None:
            return Looks()
        looks = looks_of(self._methods.calls, self._passes[:])
        closures = self._expected.by_closure and not looks.are_several
        met = [one.met for one in self._passes.differentiated] if closures else []
        self._expected.closure_met = met if len({m.drawn for m in met}) > 1 else []
        twice = self._declared.looks is not None and not looks.are_several
        return looks._replace(ways=KEPT) if twice else looks

    def _as_it_went(self, looks: Looks, t: int) -> Looks:
        """Return extragradient as the last step has taken its first step: by the optimizer or by hand."""
        if not (looks.ways and self._at):
            return looks
        passes = self._passes.differentiated
        found, after = list[tuple[float, Looks]](), [w.copy() for w in self.now()]
        gradients = self.gradients(self._at, t)
        for ways in (KEPT, ANEW, BY_HAND):
            self._expected.looks = looks._replace(ways=ways, met=(passes[-1].met,) if passes else ())
            ends = self.passing_update(self._at, gradients, self._state_before, self.hyperparameters())
            off = max((float(np.abs(a - e).max(initial=0.0)) for a, e in zip(after, ends, strict=True)), default=0.0)
            found.append((off, self._expected.looks))
        return min(found, key=lambda one: one[0])[1]

    def _takes_turns(self) -> str:
        """Return why a step is not decided whose parameters take turns, an empty text where they do not."""
        return self._declared_turns.undeclared(self.names, self.trainable, self._at, first=self._taken == 1)

    @property
    def trains_now(self) -> tuple[bool, ...]:
        """Which of the parameters require gradients now."""
        return tuple(p.requires_grad for p in self._parameters.values())

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

    def _followed_call(self, t: int, data: Data, told: dict[str, bool]) -> Any:
        if self._own_batches is None:
            return self._call(t, *data, **told)
        before = len(self._passes)
        with self._own_batches.watching(data):
            returned = self._call(t, *data, **told)
        passes = self._passes[before:]
        self._own_batches.called([one for one in passes if one.used] or passes)
        return returned

    def _call(self, t: int, inputs: Any, targets: Any, **told: bool) -> Any:
        try:
            with self._declared.calls.to("step(inputs, targets)"), self.around():
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

    def called_with(self) -> Any:
        """Return each group's hyperparameters as they were when the optimizer was called, None if it was not."""
        methods = None if self._methods is None else self._methods.settings
        return in_force(self._optimizer, self._called) or methods

    def hyperparameters(self) -> Any:
        """Return the hyperparameters of U's groups at the last step, None if the optimizer was not called."""
        return self._expected.settings_at(self.called_with(), self.built_optimizer)

    def noticed(self) -> Noticed:
        """Return what was seen of the last step apart from the weights."""
        grads = [] if self._called else [p.grad for p in self._parameters.values() if p.grad is not None]
        overflowed = self._overflowed or not all(math.isfinite(float(g.sum())) for g in grads)
        looks = tuple(one.rows for one in self._passes.differentiated) if self._sizes is None else self._sizes
        left = "" if self._methods is None else stays(self._methods.calls, self._passes[:])
        elsewhere = self._own_batches is not None and self._own_batches.elsewhere
        return Noticed(overflowed, looks, self._turns, left, ELSEWHERE if elsewhere else "")

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

    def adopt(self) -> None:
        """Keep the state that the last update left, where U goes on from it.

        That is so for a declared rule, without an optimizer, and while the user's optimizer has never kept any state.
        """
        if self._optimizer is None or self._expected.is_declared or self._begins_anew():
            self._expected.adopt()

    @property
    def live(self) -> Live:
        """The user's model and its parameters, which can be watched while the step runs."""
        return Live(self._model, tuple(self._parameters.values()), self._inputs, self._first)

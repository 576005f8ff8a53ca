"""A run of a step with phases: the user's step trains the user's model, and each phase is computed beside it.

Where a phase looks is not declared in full: its own parameters are where its segment begins, those of the other phases
there too or as the step has found them. A `Look` is one such reading, together with the random numbers that are dealt
to the objective. `PhasedRun.looks` yields the readings of a call of an optimizer, the plainest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from gdprops.errors import Unsupported, UsageError
from gdprops.numerics.comparison import alike
from gdprops.subjects.torch_optimizer.state import held_by, settings_of
from gdprops.subjects.training_step.expected_update import Expected, place
from gdprops.subjects.training_step.forward_state import is_leaf
from gdprops.subjects.training_step.optimizer_memory import OptimizerMemory
from gdprops.subjects.training_step.phases.call_log import StepWatch
from gdprops.subjects.training_step.phases.phase_task import PhaseTask
from gdprops.subjects.training_step.phases.random_draws import are_ambiguous, deals, other_deals
from gdprops.subjects.training_step.run import NOT_INITIALIZED
from gdprops.subjects.training_step.turns import names_of
from gdprops.subjects.user_code.isolation import RandomState

if TYPE_CHECKING:
    from torch import nn

    from gdprops.model.arrays import Array
    from gdprops.model.declared_parameters import Role
    from gdprops.subjects.training_step.counterpart import Counterpart
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.forward_state import ForwardState
    from gdprops.subjects.training_step.phase_declaration import Phase, Phases, Slot, Target
    from gdprops.subjects.training_step.phases.call_log import CallLog, OptimizerCall
    from gdprops.subjects.training_step.phases.random_draws import Draw, Key
    from gdprops.subjects.training_step.returned import Returned
    from gdprops.subjects.training_step.tasks import Task

Weights = list[Any]


class Look(NamedTuple):
    """Where a phase may have looked: at which weights, and with which random numbers, buffers and modes.

    ``found``: which of what other phases move is read as the step has found it, although it has moved since.
    ``moved``: which is read where it has moved to.
    """

    at: Weights
    found: tuple[str, ...]
    moved: tuple[str, ...]
    draws: tuple[Draw, ...]
    met: ForwardState


@final
class PhaseView:
    """One call of an optimizer as a step of its own, as one look explains it: what U does from there."""

    def __init__(
        self,
        expected: Expected,
        task: PhaseTask,
        phase: Phase,
        k: int,
        own: Sequence[int],
        call: OptimizerCall,
        look: Look,
    ) -> None:
        self._expected, self._task, self._phase, self._k = expected, task, phase, k
        self._own, self.call, self.look = frozenset(own), call, look

    def gradients(self, weights: Sequence[Array], t: int, *, shaken: bool = False) -> list[Array | None]:
        """Return the gradients of the phase's objective, clipped as declared; None for what is not its own.

        Weights other than those at the optimizer's door move the place of the look by as much.
        """
        pairs = zip(weights, self.call.door, self.look.at, strict=True)
        at = [a if alike(w, d) else np.asarray(a + (w - d)) for w, d, a in pairs]
        self._task.looks_at(self._phase, self._k, self.look.draws)
        self._expected.reached_otherwise = set(self.call.gradients)
        self._expected.by_closure = self._expected.by_closure or self.call.by_closure
        self._expected.look_from(self.look.met)
        found = self._expected.gradients(at, t, shaken=shaken)
        return self._expected.clipped([g if i in self._own else None for i, g in enumerate(found)])

    def passing_update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return U(w, g, s) without copying it."""
        return self._expected.passing_update(weights, gradients, state, settings)

    def update(self, gradients: Sequence[Array | None]) -> list[Array]:
        """Return U(w, g, s) from the weights and the state with which the optimizer was called."""
        return self._expected.update(self.call.door, gradients, self.call.state, self.call.settings)

    def dialect(self, weights: Sequence[Array], t: int, state: Any, settings: Any) -> list[Array] | None:
        """Return the update with the other legitimate form of clipping, None where nothing is clipped."""
        if self._expected.clip_norm is None:
            return None
        other = self._expected.clipped_without_guard(self._unclipped(t))
        return None if other is None else self._expected.update(weights, other, state, settings)

    def _unclipped(self, t: int) -> list[Array | None]:
        self._task.looks_at(self._phase, self._k, self.look.draws)
        found = self._expected.gradients(self.look.at, t)
        return [g if i in self._own else None for i, g in enumerate(found)]

    @property
    def fits(self) -> bool:
        """Whether the last gradients could be dealt all random numbers that their objective asked for."""
        return self._task.fits

    @property
    def draws(self) -> bool:
        """Whether the last gradients' objective has asked for random numbers."""
        return not self._task.fits or bool(self._task.wanted)

    def answers_to_batch(self, t: int) -> bool:
        """Say whether the phase's objective gives another loss where the batch is empty of numbers."""
        self._task.looks_at(self._phase, self._k, self.look.draws)
        seen = self._expected.loss(self.look.at, t)
        with self._task.emptied():
            return bool(seen != self._expected.loss(self.look.at, t))

    def of_phase(self, phase: Phase, weights: Sequence[Array], t: int) -> list[Array | None]:
        """Return the gradients of another phase's objective at some weights, for what this call's optimizer holds."""
        self._task.looks_at(phase, 0, self.look.draws)
        found = self._expected.gradients(weights, t)
        return self._expected.clipped([g if i in self._own else None for i, g in enumerate(found)])


@final
class PhasedRun:
    """One run: the user's model, step and optimizers, all built anew, and the expected update of each optimizer."""

    def __init__(
        self,
        declared: Declaration,
        phases: Phases,
        task: Task,
        model: nn.Module,
        ours: Counterpart,
        built: Returned,
        frozen_before_build: frozenset[str] = frozenset(),
    ) -> None:
        self._declared, self.phases, self._batches = declared, phases, task
        self._step, self.step_at, self.is_copied = built.step, built.at, ours.copied
        self._model, parameters = model, dict(model.named_parameters())
        self.names, self.all_names = tuple(parameters), names_of(model)
        self.optimizers, self.parameters = built.named, list(parameters.values())
        self.trainable = tuple(p.requires_grad for p in self.parameters)
        self.roles: tuple[Role | None, ...] = tuple(
            declared.parameters.role(several, given_frozen=several[0] in frozen_before_build)
            for several in self.all_names
        )
        """What is declared of each parameter, whether it trains or rests; None where nothing is."""
        self._memories = {name: OptimizerMemory(one) for name, one in self.optimizers.items()}
        self._task = PhaseTask(task, declared.calls)
        self._look_at, self._taken = list(ours.model.parameters()), 0
        self._ours = ours.model
        self._expected = {}
        for name in self.optimizers:
            norm = phases.clip_norms.get(name, declared.clip_norm)
            its = ours._replace(optimizer=None if ours.built is None else ours.built.named[name])
            self._expected[name] = Expected(replace(declared, clip_norm=norm), self._task, its)
            self._expected[name].mirror(model)
        try:
            self._watch = StepWatch(model, self.optimizers, self._state)
        except AttributeError as error:
            raise Unsupported(NOT_INITIALIZED) from error
        self._random = RandomState()
        self.draws_outside = False
        """Whether the last step has drawn random numbers of Python or NumPy: these are not recorded."""
        self.returned: Any = None
        self.saves = all(callable(built.beside.get(key)) for key in ("save", "load"))
        self._leaves = [is_leaf(module) for module in model.modules()]

    @property
    def held(self) -> dict[str, tuple[int, ...]]:
        """Which parameters each optimizer holds now, by their place in the model."""
        position = {id(p): i for i, p in enumerate(self.parameters)}
        return {
            name: tuple(position[id(p)] for p in held_by(one) if id(p) in position)
            for name, one in self.optimizers.items()
        }

    def _state(self, name: str) -> Any:
        return self._memories[name].state(self._expected[name].adopted, taken=self._taken)

    def now(self) -> list[Array]:
        """Return all parameters without copying them."""
        return [p.detach().numpy() for p in self.parameters]

    @property
    def steps(self) -> int:
        """How many calls there are."""
        return self._batches.steps

    def settings(self) -> dict[str, Any]:
        """Return the hyperparameters of every optimizer as they are now."""
        return {name: settings_of(one) for name, one in self.optimizers.items()}

    def step(self, t: int) -> CallLog:
        """Let the user's step take call t, and return what was seen of it."""
        self._random.put()  # gdprops' own looks have drawn random numbers since
        outside = RandomState(like=self._random)
        (data,) = self._batches.calls(t)
        with self._declared.calls.to("step(inputs, targets)"), self._watch.watching(data) as log:
            self.returned = self._step(*data)
        self._taken += 1
        self._random = RandomState(like=outside)
        self.draws_outside = self._random.differs_outside_torch(outside)
        if self.draws_outside:
            for call in log.calls:
                call.met = call.met._replace(random=outside.with_torch(call.met.random))
        return log

    def groups(self, own: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """Return what other phases and targets move, by name: each is read in one place by a phase with these own."""
        mine, found = set(own), dict[str, tuple[int, ...]]()
        targets = {name: self.of_prefix(name) for name in self.phases.targets}
        for name, held in {**self.held, **targets}.items():
            others = tuple(i for i in held if i not in mine)
            if others and others not in found.values():
                found[name] = others
        known = mine | {i for held in found.values() for i in held}
        rest = tuple(i for i in range(len(self.names)) if i not in known)
        return found | ({"what no optimizer holds": rest} if rest else {})

    def of_prefix(self, prefix: str) -> tuple[int, ...]:
        """Return the parameters of a part of the model, by the beginning of their names."""
        return tuple(i for i, name in enumerate(self.names) if name == prefix or name.startswith(f"{prefix}."))

    def looks(self, log: CallLog, call: OptimizerCall) -> Iterator[Look]:
        """Yield the readings of where a phase has looked, the plainest first."""
        own = self.held[call.optimizer]
        for at, found, moved in self._places(log, call, own):
            for met in self._surroundings(log, call):
                for draws in deals(log.draws, call.segment):
                    yield Look(at, found, moved, tuple(draws), met)
                    if not log.draws:
                        break

    def other_looks(self, log: CallLog, call: OptimizerCall) -> Iterator[Look]:
        """Yield the readings with any other order of the random numbers that the last look has asked for."""
        wanted: Mapping[Key, int] = self._task.wanted or {}
        own, before = self.held[call.optimizer], [d for d in log.draws if d.segment <= call.segment]
        for at, found, moved in self._places(log, call, own):
            for draws in other_deals(before, wanted):
                yield Look(at, found, moved, tuple(draws), call.met)

    def is_ambiguous(self, log: CallLog) -> bool:
        """Say whether what the last look has drawn can be dealt in more ways than are tried."""
        return are_ambiguous(log.draws, self._task.wanted or {})

    def _places(
        self, log: CallLog, call: OptimizerCall, own: Sequence[int]
    ) -> Iterator[tuple[Weights, tuple[str, ...], tuple[str, ...]]]:
        """Yield the weights at which a phase may look, with what is read as found and what where it has moved to."""
        if self.phases.together:
            yield log.began, (), ()
            return
        choices = list[list[tuple[str, bool, Weights, tuple[int, ...]]]]()
        for name, group in self.groups(own).items():
            options = [(name, False, call.door, group)]
            for found, weights in ((False, call.begins), (True, log.began)):
                if not any(_are_alike(weights, seen, group) for _, _, seen, _ in options):
                    options.append((name, found, weights, group))
            choices.append(options)
        has_moved = {name: not _are_alike(log.began, call.door, group) for name, group in self.groups(own).items()}
        for chosen in product(*choices):
            at = list(call.door)
            for _, _, weights, group in chosen:
                for i in group:
                    at[i] = weights[i]
            as_found = tuple(name for name, is_found, _, _ in chosen if is_found)
            yield at, as_found, tuple(name for name, is_found, _, _ in chosen if has_moved[name] and not is_found)

    def _surroundings(self, log: CallLog, call: OptimizerCall) -> Iterator[ForwardState]:
        first, last = call.modes
        yield self._in(call.met, last)
        if first != last:
            yield self._in(call.met, first)
        if call.segment and any(not a.equal(b) for a, b in zip(call.met.buffers, log.first_met.buffers, strict=True)):
            yield self._in(log.first_met, last)

    def _in(self, met: ForwardState, modes: tuple[bool, ...]) -> ForwardState:
        leaves = tuple(mode for mode, leaf in zip(modes, self._leaves, strict=True) if leaf)
        return met._replace(modes=modes, leaves=leaves)

    def view(self, slot: Slot, call: OptimizerCall, look: Look) -> PhaseView:
        """Return a call of an optimizer as a step of its own, as a look explains it."""
        phase = self.phases.phases[slot.phase]
        own = [i for i in self.held[call.optimizer] if self.trainable[i] or i in call.gradients]
        return PhaseView(self._expected[call.optimizer], self._task, phase, slot.k, own, call, look)

    def settle(self, name: str) -> None:
        """Keep the state that U has left of an optimizer, where the optimizer itself keeps none."""
        if self._memories[name].begins_anew(taken=self._taken):
            self._expected[name].adopt()

    def followed_by(self, name: str, weights: Weights) -> Weights:
        """Return the weights that what ``after=`` applies to the model makes of some weights."""
        place(self._look_at, weights)
        import torch

        with self._declared.calls.to(f"after[{name!r}](model)"), torch.no_grad():
            self.phases.after[name](self._ours)
        return [p.detach().numpy().copy() for p in self._look_at]

    def pairs(self, name: str, target: Target) -> list[tuple[int, int]]:
        """Return the parameters of a target, each with that of its source. Raises `UsageError` for other names."""
        found = self.matching(name, target.source)
        if not found:
            raise UsageError(
                f"targets={{{name!r}: {target.told}}}: the parameters {name}.* are not those of {target.source}.*"
            )
        return found

    def matching(self, name: str, source: str) -> list[tuple[int, int]]:
        """Return the parameters of one part of the model, each with that of another part of the same form, if it is."""
        tails = {self.names[j].removeprefix(source): j for j in self.of_prefix(source)}
        found = [(i, tails.get(self.names[i].removeprefix(name), -1)) for i in self.of_prefix(name)]
        fits = all(j >= 0 and self.parameters[i].shape == self.parameters[j].shape for i, j in found)
        return found if fits else []

    def parts_like(self, name: str, source: str) -> list[str]:
        """Return the other parts of the model that have the form of a target and its source."""
        prefixes = dict.fromkeys(n.rpartition(".")[0] for n in self.names)
        ways = {".".join(p.split(".")[:k]) for p in prefixes for k in range(1, p.count(".") + 2)}
        return [way for way in sorted(ways) if way not in ("", name, source) and self.matching(name, way)]


def _are_alike(a: Weights, b: Weights, group: Sequence[int]) -> bool:
    return all(alike(a[i], b[i]) for i in group)

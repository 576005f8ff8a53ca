"""One trial of a training step: its habits, and whether it can be used at all.

The trial runs one logical step on a small network. It sees whether the step splits its batch, moves weights during
backward, or rounds to float32; and it rejects a step for which no expected update is known.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gdprops.errors import CannotFollow, SubjectCrash, Unsupported, UsageError
from gdprops.model.architecture import KINDS
from gdprops.model.case import evened
from gdprops.numerics.blocks import BLOCK
from gdprops.numerics.decisions import DOUBLE, PROBE_TOLERANCE, SINGLE
from gdprops.subjects.training_step.begin import begin, begin_phases, task_of
from gdprops.subjects.training_step.declaration import EQUAL, Habits
from gdprops.subjects.training_step.expected_update import EXPECTATION
from gdprops.subjects.training_step.group_keys import unread_keys
from gdprops.subjects.training_step.own.trial import own_trials, require_equal_parts, require_objective
from gdprops.subjects.training_step.phases.trial import phase_habits, require_objectives
from gdprops.subjects.training_step.refused_networks import refused_networks
from gdprops.subjects.training_step.trial_cases import architecture_trial, trial_cases
from gdprops.subjects.training_step.turns import names_of
from gdprops.subjects.user_code.crashes import FAULTS_OF_THE_CODE, said_of
from gdprops.subjects.user_code.isolation import isolated

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.declaration import Declaration, Refused
    from gdprops.subjects.training_step.run import Training

BACKWARD = (torch.Tensor.backward, torch.autograd.backward, torch.autograd.grad)


def tried(declared: Declaration) -> Habits:
    """Return a step's habits. Raises `UsageError` in one line for a step that cannot be used.

    A step that raises by a fault of its own, as NameError, is not refused: it is examined, and fails.
    """
    with isolated():
        crashes = list[SubjectCrash]()
        for precision in (DOUBLE, SINGLE):
            for case in trials_of(declared, precision):
                try:
                    habits = _habits(declared, case, precision)
                    kinds, unread = _kinds(declared, habits.precision), unread_keys(declared, case)
                    return replace(habits, kinds=kinds, unread=unread, refused=_refused(declared, habits.precision))
                except SubjectCrash as crash:
                    crashes.append(crash)
                except CannotFollow:
                    return Habits(precision=precision)
                except Unsupported as refusal:
                    raise UsageError(f"{declared.name} cannot be used: {refusal}") from refusal
        first = crashes[0]
    if isinstance(first.error, FAULTS_OF_THE_CODE):
        return Habits()  # no other model cures it: every clause finds it, and it is told once
    said = first.told or said_of(first)
    raise UsageError(f"{declared.name} cannot be used: {said}, on every batch that was tried") from first


def trials_of(declared: Declaration, precision: int) -> list[Any]:
    """Return the cases on which a training step is tried when the subject is made."""
    if declared.own is not None:
        return own_trials(declared.own, precision, declared.accumulate, declared.calls)
    cases = trial_cases(precision, declared.accumulate)
    return [evened(case) for case in cases] if declared.micro == EQUAL else list(cases)


def _habits(declared: Declaration, case: Any, precision: int) -> Habits:
    if declared.own is not None:
        task = task_of(declared, case)
        if declared.phases is not None:
            require_objectives(declared.phases, task, declared.calls)
        require_objective(declared.own, task)
        if declared.micro == EQUAL:
            require_equal_parts(task)
    if declared.phases is not None:
        return phase_habits(declared, begin_phases(declared, case), precision)
    run = begin(declared, case)
    declared.parameters.require_matches(names_of(run.live.model))
    _require_expectation(declared, run)
    weights = run.weights()
    gradients = run.gradients(weights, 0)
    watch, batches = _BackwardWatch(run), run.follow_batches()
    with watch, _DtypeWatch() as dtypes:
        returned = run.step(0)
    _require_call(declared, returned, moved=not all(map(np.array_equal, weights, run.now())))
    _require_schedule(declared, run)
    _require_agreement(declared, case, run, weights, gradients)
    rows, looks = run.rows(0), run.noticed().looks
    splits = declared.accumulate == 1 and any(0 < look < rows for look in looks)
    kept = SINGLE if dtypes.lowered else precision
    return Habits(
        splits,
        watch.moved,
        kept,
        run.told_last,
        not all(run.trainable),
        copies=run.is_copied,
        returns_optimizer=run.has_optimizer,
        is_given_frozen=any(run.frozen_before_build),
        step_at=run.step_at,
        saves=run.resuming.has_own,
        own_batches=batches.are_its_own,
        answers_to_mode=declared.own is not None and run.answers_to_mode(weights, 0),
    )


def _kinds(declared: Declaration, precision: int) -> tuple[str, ...]:
    """Return the architectures that the step trains: a step that flattens its inputs, say, trains no convolutions."""
    if declared.own is not None:
        return ()
    even = evened if declared.micro == EQUAL else lambda case: case
    cases = {kind: even(architecture_trial(kind, precision, declared.accumulate)) for kind in KINDS}
    return tuple(kind for kind, case in cases.items() if _trains(declared, case))


def _refused(declared: Declaration, precision: int) -> Refused:
    """Return which drawn networks the step refuses; of the user's own models nothing is drawn."""
    drawn = trials_of(declared, precision) if declared.own is None else []
    return refused_networks(declared, drawn)


def _trains(declared: Declaration, case: Any) -> bool:
    try:
        begin(declared, case).step(0)
    except (SubjectCrash, Unsupported):
        return False
    return True


class _BackwardWatch(TorchFunctionMode):
    """Sees whether weights move between the start and the end of a backward pass."""

    def __init__(self, run: Training) -> None:
        super().__init__()
        self._run, self.moved = run, False

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in BACKWARD:
            return func(*args, **(kwargs or {}))
        before = self._sums()
        found = func(*args, **(kwargs or {}))
        self.moved |= self._sums() != before
        return found

    def _sums(self) -> list[str]:
        """Return sums over blocks of the weights, which change with them: copies of a large model would cost memory."""
        with torch._C.DisableTorchFunction():
            flat = (p.detach().reshape(-1) for p in self._run.live.parameters)
            return [repr(float(part.double().sum())) for values in flat for part in values.split(BLOCK)]


class _DtypeWatch(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own
    """Sees whether numbers are rounded from float64 to fewer bits."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # likewise
        self.lowered = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if "copy" in str(func) and _has(args, torch.float64) and _is_lower(found):
            self.lowered = True
        return found


def _has(args: Sequence[Any], dtype: torch.dtype) -> bool:
    return any(isinstance(a, Tensor) and a.dtype == dtype for a in args)


def _is_lower(found: Any) -> bool:
    return isinstance(found, Tensor) and found.is_floating_point() and found.dtype != torch.float64


def _require_call(declared: Declaration, returned: Any, *, moved: bool) -> None:
    """Require that a call runs the step: calling a generator or a coroutine function runs nothing of its body."""
    waits = inspect.iscoroutine(returned)
    if not moved and (waits or inspect.isgenerator(returned)):
        returned.close()
        what = "is a coroutine" if waits else "yields"
        raise UsageError(
            f"{declared.name}: its step {what}, so that calling it runs nothing; expected a function that trains when "
            "it is called"
        )


def _require_expectation(declared: Declaration, run: Training) -> None:
    if not run.has_optimizer and declared.rule_factory is None and declared.lr is None:
        raise UsageError(f"{declared.name} returns no optimizer; {EXPECTATION}")


def _require_schedule(declared: Declaration, run: Training) -> None:
    """Require that a declared schedule gives rates for the optimizer that ``build`` returns. Raises `UsageError`."""
    if declared.schedule is None:
        return
    if not run.has_optimizer:
        raise UsageError(f"{declared.name}: schedule= needs build to return the optimizer, whose rates are looked at")
    groups, defaults = run.built_optimizer
    losses = [run.returned] * (declared.schedule.per or 1)
    declared.schedule.planned(groups, defaults, losses, least=1, most=2)


def _require_agreement(
    declared: Declaration, case: Any, run: Training, weights: Sequence[Array], gradients: Sequence[Array | None]
) -> None:
    """Require that a declared update and the returned optimizer's update agree.

    Where no update is declared, the returned optimizer must move something where the step does. Raises `UsageError`.
    """
    if not run.has_optimizer or not any(g is not None and g.any() for g in gradients):
        return
    if declared.rule_factory is None and declared.lr is None:
        _require_update(declared, run, weights, gradients)
        return
    bare = replace(declared, rule_factory=None, lr=None)
    own = _two_updates(begin(bare, case), weights, gradients)
    if all(np.array_equal(w, o) for w, o in zip(weights, own[-1], strict=True)):
        return
    rule = _two_updates(begin(declared, case), weights, gradients)
    apart = next((t for t, (a, b) in enumerate(zip(rule, own, strict=True)) if _first_apart(run, weights, a, b)), None)
    if apart is None or not _follows(run, bare, case, weights, gradients, steps=apart + 1):
        return
    raise UsageError(_disagreement(declared, apart + 1, *_first_apart(run, weights, rule[apart], own[apart])))


def _first_apart(run: Training, weights: Sequence[Array], a: Sequence[Array], b: Sequence[Array]) -> tuple[Any, ...]:
    """Return the first held parameter that two updates move apart, and where each leaves it; nothing where none is."""
    for name, held, w, x, y in zip(run.names, run.held, weights, a, b, strict=True):
        if held and np.abs(x - y).max(initial=0.0) > PROBE_TOLERANCE * max(1.0, float(np.abs(w).max(initial=0.0))):
            return name, x, y
    return ()


def _follows(
    run: Training,
    bare: Declaration,
    case: Any,
    weights: Sequence[Array],
    gradients: Sequence[Array | None],
    *,
    steps: int,
) -> bool:
    """Say whether the user's step makes the returned optimizer's update, in its first steps, of which one is taken.

    Where it makes another one (a decay or a momentum by hand beside a plain optimizer), the declared rule is not
    contradicted: it is what the whole step is held to.
    """
    taken, ended = [(weights, gradients, run.called_with())], [run.weights()]
    while len(ended) < steps:
        looked = run.gradients(ended[-1], 0)
        run.step(0)
        taken.append((ended[-1], looked, run.called_with()))
        ended.append(run.weights())
    twin = begin(bare, case)
    own = [twin.update(at, looked, None, settings) for at, looked, settings in taken]
    return not any(_first_apart(run, at, o, e) for (at, *_), o, e in zip(taken, own, ended, strict=True))


def _require_update(
    declared: Declaration, run: Training, weights: Sequence[Array], gradients: Sequence[Array | None]
) -> None:
    """Require that the returned optimizer moves something where the step moves something."""
    rests = all(map(np.array_equal, weights, run.passing_update(weights, gradients, None, run.hyperparameters())))
    moved = not all(map(np.array_equal, weights, run.now()))
    if rests and moved and any(run.held):
        raise UsageError(f"{declared.name}: step() of the optimizer that it returns moves nothing; {EXPECTATION}")


def _disagreement(declared: Declaration, number: int, name: str, ours: Array, theirs: Array) -> str:
    what = f"lr={declared.lr!r}" if declared.rule_factory is None else "rule="
    at = int(np.argmax(np.abs(ours - theirs)))
    return (
        f"{declared.name}: {what} and the optimizer that it returns disagree: after step {number} on the same "
        f"gradients {name} is {ours.flat[at]:.6g} by the one, {theirs.flat[at]:.6g} by the other; leave "
        f"{what.partition('=')[0]}= out to check the step against its own optimizer"
    )


def _two_updates(run: Training, weights: Sequence[Array], gradients: Sequence[Array | None]) -> list[list[Array]]:
    first = run.update(weights, gradients, None, None)
    return [first, run.update(first, gradients, None, None)]

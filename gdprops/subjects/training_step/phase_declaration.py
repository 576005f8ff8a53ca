"""What the user declares of a step with several phases: ``phases=``, ``together=``, ``after=`` and ``targets=``.

``phases=[("critic", objective_c, 5), ("actor", objective_a)]`` says: five steps of the optimizer that build returns as
"critic", each by the gradient of objective_c, and then one of "actor". ``after={"critic": clamp}`` is applied to the
model after each step of the critic. ``targets={"critic_target": ("polyak", "critic", 0.005)}`` says that the parameters
``critic_target.*`` follow ``critic.*``: in every call a 0.005th of the way there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.subjects.user_code.signatures import parameters_of

if TYPE_CHECKING:
    from torch import Tensor, nn

EXPECTED = 'expected (optimizer, objective) or (optimizer, objective, steps), such as ("critic", critic_loss, 5)'
POLYAK, COPY = "polyak", "copy"
FOLLOWS = '("polyak", source, tau), ("polyak", source, tau, every) or ("copy", source, every)'


@final
@dataclass(frozen=True, slots=True)
class Phase:
    """``steps`` steps of one optimizer, each by the gradient of ``objective(model, inputs, targets)``.

    ``optimizer``: the name under which ``build`` returns it. ``takes_k``: the objective has a keyword ``k``, the number
    of the step within the phase, counted from 0.
    """

    optimizer: str
    objective: Callable[..., Tensor]
    steps: int = 1
    takes_k: bool = False

    def loss(self, model: nn.Module, inputs: Any, targets: Any, k: int = 0) -> Tensor:
        """Return the objective of step k of the phase."""
        return self.objective(model, inputs, targets, **({"k": k} if self.takes_k else {}))

    __call__ = loss


@final
class Objectives(tuple[Phase, ...]):
    """The objectives in the order of the phases, as ``build`` is given them beside the model.

    Called itself it is their sum with weights 1, 2, …, which depends on whatever any of them depends on.
    """

    def __call__(self, model: nn.Module, inputs: Any, targets: Any) -> Tensor:
        """Return the sum."""
        parts = [k * phase.loss(model, inputs, targets) for k, phase in enumerate(self, start=1)]
        total: Tensor = sum(parts[1:], parts[0])
        return total


@final
@dataclass(frozen=True, slots=True)
class Slot:
    """One step of a phase in the declared order; ``phase`` is the number of the phase, ``k`` that of the step in it."""

    phase: int
    k: int


@final
@dataclass(frozen=True, slots=True)
class Target:
    """Parameters that follow others: a share ``tau`` of the way, or all of it where ``rule`` is ``"copy"``.

    ``every``: at how many calls of the step they move once; None where that is every one.
    """

    rule: str
    source: str
    tau: float
    every: int | None

    @property
    def told(self) -> str:
        """The declaration as the user wrote it."""
        if self.rule == COPY:
            return f"({self.rule!r}, {self.source!r}, {self.every})"
        return f"({self.rule!r}, {self.source!r}, {self.tau:g}{'' if self.every is None else f', {self.every}'})"


@final
@dataclass(frozen=True, slots=True)
class Phases:
    """All phases in their order, and what belongs to them.

    ``together``: every phase looks where the step began. ``after``: what is applied to the model after a step of an
    optimizer, by its name. ``targets``: which parameters follow which, by the beginning of their names.
    ``clip_norms``: the global norm that each optimizer's gradients are clipped to.
    """

    phases: tuple[Phase, ...]
    together: bool = False
    after: Mapping[str, Callable[[nn.Module], Any]] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    clip_norms: Mapping[str, float] = field(default_factory=dict)

    @property
    def optimizers(self) -> tuple[str, ...]:
        """The names of the optimizers, in the order of their first phase."""
        return tuple(dict.fromkeys(phase.optimizer for phase in self.phases))

    def readings(self, called: Sequence[str]) -> list[list[Slot]]:
        """Return every way in which the calls of a step, by optimizer, are the declared phases, whole ones skipped.

        Where all phases look at the weights that the step has found, their order makes no difference.
        """
        found, first = list[list[Slot]](), {name: called.index(name) for name in called}
        order = list(enumerate(self.phases))
        if self.together:
            order.sort(key=lambda one: first.get(one[1].optimizer, len(called)))
        for taken in product((True, False), repeat=len(self.phases)):
            slots = [
                Slot(number, k)
                for (number, phase), is_taken in zip(order, taken, strict=True)
                for k in range(phase.steps if is_taken else 0)
            ]
            if [self.phases[slot.phase].optimizer for slot in slots] == list(called):
                found.append(slots)
        return found

    @property
    def told(self) -> str:
        """The declared order in words: ``critic 5 times, actor``."""
        return ", ".join(
            phase.optimizer + (f" {phase.steps} times" if phase.steps > 1 else "") for phase in self.phases
        )

    @property
    def parts(self) -> Mapping[str, Any]:
        """What is declared, by argument."""
        plain = [f"{phase.optimizer} {phase.steps}" for phase in self.phases]
        objectives = {f"objective of phase {n}": phase.objective for n, phase in enumerate(self.phases, start=1)}
        after = {f"after {name}": function for name, function in self.after.items()}
        targets = {name: target.told for name, target in self.targets.items()}
        parts = {"phases": plain, **objectives, **after, "together": self.together or None, "targets": targets or None}
        return parts | {"clip_norm by optimizer": dict(self.clip_norms) or None}


def declared_phases(phases: Any, together: Any, after: Any, targets: Any, clip_norm: Any = None) -> Phases | None:
    """Return what is declared of phases. Raises `UsageError` in one line for what is none."""
    if phases is None:
        given = {"together": together or None, "after": after, "targets": targets}
        held = ", ".join(f"{key}=" for key, value in given.items() if value is not None)
        if held:
            raise UsageError(f"{held} without phases=, which they describe")
        return None
    if not isinstance(phases, list | tuple) or not phases:
        raise UsageError(f"phases={phases!r}; expected a list of phases: {EXPECTED}")
    norms = dict(clip_norm) if isinstance(clip_norm, Mapping) else {}
    found = Phases(tuple(map(_phase, phases)), bool(together), _after(after), _targets(targets), norms)
    twice = len(found.optimizers) < len(found.phases) or any(phase.steps > 1 for phase in found.phases)
    if found.together and twice:
        raise UsageError("together=True with an optimizer that steps more than once in a call; expected one step each")
    for key, named in (("after", found.after), ("clip_norm", norms)):
        unknown = next((name for name in named if name not in found.optimizers), None)
        if unknown is not None:
            raise UsageError(f"{key}= names {unknown!r}; expected optimizers of phases=: {', '.join(found.optimizers)}")
    return found


def _phase(given: Any) -> Phase:
    if not isinstance(given, tuple | list) or not 2 <= len(given) <= 3:
        raise UsageError(f"phases= contains {given!r}; {EXPECTED}")
    name, objective, steps = (*given, 1)[:3]
    counts = isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1
    if not (isinstance(name, str) and callable(objective) and counts):
        raise UsageError(f"phases= contains {tuple(given)!r}; {EXPECTED}")
    return Phase(name, objective, steps, "k" in (parameters_of(objective) or {}))


def _after(given: Any) -> Mapping[str, Callable[[nn.Module], Any]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(map(callable, given.values())):
        raise UsageError(f'after={given!r}; expected functions of the model by optimizer, such as {{"critic": clamp}}')
    return dict(given)


def _targets(given: Any) -> Mapping[str, Target]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UsageError(f'targets={given!r}; expected what follows what: {{"critic_target": {FOLLOWS}}}')
    return {name: _target(name, follows) for name, follows in given.items()}


def _target(name: Any, given: Any) -> Target:
    if isinstance(given, tuple | list) and len(given) in (3, 4) and isinstance(given[1], str):
        rule, source, number, every = (*given, None)[:4]
        if rule == COPY and len(given) == 3 and _counts(number):
            return Target(rule, source, 1.0, number)
        is_share = isinstance(number, int | float) and not isinstance(number, bool) and 0 < number <= 1
        if rule == POLYAK and is_share and (every is None or _counts(every)):
            return Target(rule, source, float(number), every)
    raise UsageError(f"targets={{{name!r}: {given!r}}}; expected {FOLLOWS}")


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def require_alone(phases: Phases, given: Mapping[str, Any]) -> None:
    """Require what phases need, and nothing beside them that is about a single loss. Raises `UsageError`."""
    for key in ("loss", "objective"):
        if given[key] is not None:
            raise UsageError(f"phases= and {key}= cannot be declared together: each phase has an objective of its own")
    for key in ("rule", "lr"):
        if given[key] is not None:
            raise UsageError(
                f"phases= and {key}= cannot be declared together: the update of each phase is that of the optimizer "
                "which build returns under its name (gdprops check --rule says whether that optimizer follows a rule)"
            )
    for key in ("micro", "counts"):
        if given[key] is not None or given["accumulate"] != 1:
            raise UsageError(
                f"phases= and {key if given[key] is not None else 'accumulate'}= cannot be declared together: what one "
                "phase reads of the others may move between the calls of a window, so that the window has no one "
                "gradient; hand the whole window over in one call, and let each objective be the mean over it"
            )
    for key in ("trains", "frozen"):
        if isinstance(given[key], Mapping):
            raise UsageError(
                f"phases= and {key}={given[key]!r}, with steps: which parameters train when is what phases= says; "
                "expected patterns alone"
            )
    if given["models"] is None or given["batches"] is None:
        raise UsageError(
            "phases= without models= and batches=, a model that holds what the optimizers hold, and its data"
        )
    wrong = next((norm for norm in phases.clip_norms.values() if not _is_bound(norm)), None)
    if wrong is not None:
        raise UsageError(f"clip_norm={given['clip_norm']!r}; expected finite numbers of at least 0 by optimizer")


def _is_bound(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < float("inf")

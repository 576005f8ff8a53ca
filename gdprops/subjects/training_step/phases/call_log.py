"""What is seen of one call of the user's step: every step of an optimizer in it, and what happens between them.

A call is cut into segments: segment 0 ends with the first step of an optimizer, segment 1 with the second, and what
follows the last one is a segment too. Of each the log knows where it began and ended, which gradients were deposited,
which random numbers were drawn, and which lines of the user's code wrote into parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, final

from torch.utils._python_dispatch import TorchDispatchMode

from gdprops.model.code_place import Place
from gdprops.subjects.torch_optimizer.state import held_by, settings_of
from gdprops.subjects.training_step.batch_origins import Origins
from gdprops.subjects.training_step.forward_passes import weakly
from gdprops.subjects.training_step.forward_state import ForwardState, Surroundings
from gdprops.subjects.training_step.op_arguments import Parameters, arguments_of, unwatched
from gdprops.subjects.training_step.phases.random_draws import Draw, drawn, is_random
from gdprops.subjects.training_step.structures import tensors_in
from gdprops.subjects.user_code.running_line import user_place

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.tasks import Data


Arrays = list[Any]


class Deposit(NamedTuple):
    """A gradient that one backward pass has added to a parameter; ``place``: the line that has called backward."""

    segment: int
    parameter: int
    gradient: Array
    place: Place | None


class Write(NamedTuple):
    """An op that wrote into parameters outside of an optimizer's step."""

    segment: int
    parameters: tuple[int, ...]
    place: Place | None


@final
@dataclass(slots=True)
class OptimizerCall:
    """A step of an optimizer: the weights and its own gradients when it was called, and the weights that it left.

    ``begins``: the weights where its segment began. ``met``: modes and buffers there; ``modes``: those in which each
    module first and last ran in the segment. ``state``: that from which U starts. ``by_closure``: it was given one.
    """

    optimizer: str
    segment: int
    begins: Arrays
    met: ForwardState
    modes: tuple[tuple[bool, ...], tuple[bool, ...]]
    door: Arrays
    gradients: Mapping[int, Array]
    state: Any
    settings: list[dict[str, Any]]
    place: Place | None
    by_closure: bool
    left: Arrays = field(default_factory=list)


@final
@dataclass(slots=True)
class CallLog:
    """One call of the user's step. ``began`` and ``ended``: the weights; ``leftover``: the gradients at its start.

    ``of_batch``: the segments in which a module was given something of a batch that was handed over; ``of_others``:
    those in which one was given anything else.
    """

    began: Arrays
    first_met: ForwardState
    leftover: Mapping[int, Array]
    ended: Arrays = field(default_factory=list)
    calls: list[OptimizerCall] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    unclear_draws: bool = False
    deposits: list[Deposit] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    of_batch: set[int] = field(default_factory=set)
    of_others: set[int] = field(default_factory=set)

    def looks_elsewhere(self, segment: int) -> bool:
        """Say whether modules ran in a segment, and were given nothing of any batch that was handed over."""
        return segment in self.of_others and segment not in self.of_batch

    def place_of_write(self, segment: int, parameters: Sequence[int]) -> Place | None:
        """Return the last line of a segment that wrote into any of some parameters."""
        found = [w.place for w in self.writes if w.segment == segment and set(parameters) & set(w.parameters)]
        return found[-1] if found else None


@final
class StepWatch:
    """Hooks on the user's model and optimizers; makes a `CallLog` of each call of the step."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: Mapping[str, torch.optim.Optimizer],
        state: Callable[[str], Any],
    ) -> None:
        self._parameters, self._modules = list(model.parameters()), list(model.modules())
        self._surroundings, self._state = Surroundings(model), state
        self._origins = Origins(self._parameters)
        self._position = {id(p): i for i, p in enumerate(self._parameters)}
        self._log: CallLog | None = None
        self._stepping, self._ran = 0, dict[int, tuple[bool, bool]]()
        self._begins, self._met = Arrays(), self._surroundings.now()
        for name, optimizer in optimizers.items():
            optimizer.register_step_pre_hook(partial(weakly(self._enters), name))
            optimizer.register_step_post_hook(partial(weakly(self._leaves), name))
        for i, p in enumerate(self._parameters):
            if p.requires_grad:
                p.register_hook(partial(weakly(self._arrived), i))  # type: ignore[no-untyped-call] # torch's own
        for k, module in enumerate(self._modules):
            module.register_forward_pre_hook(partial(weakly(self._runs), k))

    @contextmanager
    def watching(self, data: Data) -> Iterator[CallLog]:
        """Make a log of the call of the user's step inside, which is handed this batch."""
        self._origins.hand(data)
        self._met = self._surroundings.now()
        self._log = log = CallLog(self._weights(), self._met, self._gradients(range(len(self._parameters))))
        self._begins, self._stepping = log.began, 0
        self._ran.clear()
        try:
            with self._origins.following(), _Ops(self._parameters, self._wrote, self._drew):
                yield log
        finally:
            log.ended, self._log = self._weights(), None

    def _weights(self) -> Arrays:
        with unwatched():
            return [p.detach().numpy().copy() for p in self._parameters]

    def _gradients(self, of: Iterable[int]) -> dict[int, Array]:
        with unwatched():
            found = ((i, self._parameters[i].grad) for i in of)
            return {i: g.detach().to_dense().numpy().copy() for i, g in found if g is not None}

    @property
    def _segment(self) -> int:
        return 0 if self._log is None else len(self._log.calls)

    def _enters(self, name: str, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._stepping += 1
        if self._log is None or self._stepping > 1:
            return
        own = [self._position[id(p)] for p in held_by(optimizer) if id(p) in self._position]
        with unwatched():
            state, settings = self._state(name), settings_of(optimizer)
        modes = tuple(
            tuple(self._ran.get(k, (module.training,) * 2)[which] for k, module in enumerate(self._modules))
            for which in (0, 1)
        )
        self._log.calls.append(
            OptimizerCall(
                name,
                self._segment,
                self._begins,
                self._met,
                (modes[0], modes[1]),
                self._weights(),
                self._gradients(own),
                state,
                settings,
                user_place(),
                any(callable(given) for given in (*args, *kwargs.values())),
            )
        )

    def _leaves(self, name: str, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._stepping -= 1
        if self._log is None or self._stepping:
            return
        with unwatched():
            self._met = self._surroundings.now()
        self._log.calls[-1].left = self._begins = self._weights()
        self._ran.clear()

    def _arrived(self, i: int, gradient: Tensor) -> None:
        if self._log is not None:
            with unwatched():
                array = gradient.detach().to_dense().numpy().copy()
            self._log.deposits.append(Deposit(self._segment, i, array, user_place()))

    def _runs(self, k: int, module: nn.Module, args: Any) -> None:
        if self._log is not None and next(tensors_in(args), None) is not None:
            (self._log.of_batch if self._origins.are_in(args) else self._log.of_others).add(self._segment)
        first, _last = self._ran.get(k, (module.training,) * 2)
        self._ran[k] = (first, module.training)

    def _wrote(self, parameters: Sequence[int]) -> None:
        if self._log is not None and not self._stepping:
            self._log.writes.append(Write(self._segment, tuple(parameters), user_place()))

    def _drew(self, draw: Draw | None) -> None:
        if self._log is not None:
            self._log.unclear_draws |= draw is None
            self._log.draws += [] if draw is None else [draw._replace(segment=self._segment)]


@final
class _Ops(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own
    """Tells of every op that writes into a parameter, and of every one that draws random numbers."""

    def __init__(
        self,
        parameters: Sequence[Tensor],
        wrote: Callable[[Sequence[int]], None],
        drew: Callable[[Draw | None], None],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # likewise
        self._memory, self._wrote, self._drew = Parameters(parameters), wrote, drew

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        written = [i for t in arguments_of(func, args, kwargs or {}).written for i in self._memory.under(t)]
        if written:
            self._wrote(written)
        if is_random(func):
            self._drew(drawn(func, args, kwargs or {}, found, 0))
        return found

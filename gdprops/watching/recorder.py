"""The recorder: what the hooks see becomes events of the ledger, one list per thread of training.

Every entry is guarded: an exception of ours ends the watching, is kept in `error`, and never reaches the watched run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.model.ledger import (
    BackwardBegins,
    BackwardEnds,
    Deposit,
    Ending,
    Forward,
    Gradients,
    Holding,
    StepBegins,
    StepEnds,
    Unscale,
    ZeroGrad,
)
from gdprops.subjects.training_step.structures import tensors_in
from gdprops.subjects.user_code.running_line import user_place
from gdprops.watching import copied_step
from gdprops.watching.aids import Aids
from gdprops.watching.gradient_states import Numbered
from gdprops.watching.loss_graph import (
    LOOKS,
    LOSSES,
    Mark,
    bare_leaves,
    graph_of,
    is_scaled,
    mark,
    mean_of,
    weight_of,
)
from gdprops.watching.movement import gradient_norm, is_stuck, lost_in_rounding, rates_of
from gdprops.watching.recording import OpenStep, guarded

if TYPE_CHECKING:
    from torch import Tensor, nn

WITHOUT_GRADIENTS = 2
"""At an optimizer's step of this number it is found out whose the parameters are that no gradient has reached."""
WALKS_PER_LINE = 2
"""The graphs of so many backward calls of each line are walked."""


@final
class Recorder(Aids):
    """Keeps the events of a watched run until ``steps`` steps were seen; then it calls ``on_done``."""

    def __init__(self, steps: int, *, entries: int, on_done: Callable[[], None] = lambda: None) -> None:
        super().__init__(steps, entries=entries, on_done=on_done, on_sight=self._hooked)

    def _hooked(self, number: int, tensor: Tensor) -> Any:
        hook: Any = tensor.register_hook
        return hook(lambda gradient: self.deposit(number))

    # Forward passes

    @guarded
    def enters_module(self, module: nn.Module) -> None:
        """Note that a module's forward begins; only outermost modules are looked at."""
        thread = self.thread()
        thread.depth += 1
        self.registry.ran.add(id(module))
        if thread.depth == 1 and not thread.calls and torch.is_grad_enabled() and not _transformed():
            number, parameters, _ = self.registry.module(module)
            thread.found = self._contents.look(parameters)
            thread.meets.update(thread.found)
            self._note_pulls(number, module)
            if self.keeps is not None:
                self.keeps.begins(self.registry.modules[number].label, module)

    def _note_pulls(self, number: int, module: nn.Module) -> None:
        """Note whether what was written to a module since its last step has pulled it towards another one."""
        writes, sighted = self._contents.writes(), self.registry.sighted
        moves = {sighted[n].name: move for n, move in writes.items() if sighted[n].module == number}
        if moves and not self.thread().steps:
            self.thread().events += self._pulls.look(
                number, self.registry.modules[number].label, module, moves, self.registry.ran
            )

    @guarded
    def leaves_module(self, module: nn.Module, given: tuple[Any, Any], output: object = None) -> None:
        """Note that a module's forward has ended: what its parameters contain now is what it has read."""
        thread = self.thread()
        thread.depth = max(0, thread.depth - 1)
        if thread.depth or thread.calls or _transformed() or not torch.is_grad_enabled():
            return
        number, parameters, varies = self.registry.module(module)
        self._say_what_is_hidden(module)
        if self.keeps is not None:
            self.keeps.ends(module, given)
        self._passes += 1
        if parameters:
            mark(tensors_in(output), LOOKS, (self._serial, self._passes))
        event = Forward(
            number,
            user_place(),
            training=module.training,
            varies=varies,
            found=thread.found,
            reads=self._contents.look(parameters),
            inputs=self._inputs(given),
            region=self._open_region(parameters),
            frozen=frozenset(n for n, tensor in parameters if not tensor.requires_grad),
            number=self._passes,
        )
        thread.events.append(event)

    def _inputs(self, given: object) -> int:
        """Return a number for the tensors that a module was given, the same for views of one tensor; 0 for none."""
        bases = [t._base if t._is_view() and t._base is not None else t for t in tensors_in(given)]
        if not bases:
            return 0
        return hash(tuple((self.registry.others.of(base), base._version) for base in bases)) or 1

    def _open_region(self, parameters: Sequence[Numbered]) -> int | None:
        device = parameters[0][1].device.type if parameters else "cpu"
        if not torch.is_autocast_cache_enabled() or not torch.is_autocast_enabled(device):
            return None
        return self._region

    @guarded
    def autocast_cache_cleared(self) -> None:
        """Note that an outermost autocast region has ended."""
        self._region += 1

    def _say_what_is_hidden(self, module: nn.Module) -> None:
        if isinstance(module, torch.jit.ScriptModule):
            self.unseen["a scripted module: what happens inside it is not seen"] = None

    # Backward passes

    @guarded
    def backward_begins(self, losses: object, *, is_weighted: bool = False, creates_graph: bool = False) -> int:
        """Note a call of backward, and return its number.

        ``is_weighted``: it was given gradients to begin with. ``creates_graph``: what it deposits is differentiable.
        """
        thread = self.thread()
        if thread.calls:
            thread.calls.append(0)  # a call inside another one: what it deposits is the outer call's
            return 0
        self._calls += 1
        roots, place = list(tensors_in(losses)), user_place()
        gradients = self._gradients.look(self._at_hand())
        facts = {"creates_graph": creates_graph, **self._walk(roots, place, is_weighted)}
        event = BackwardBegins(self._calls, place, gradients, weight=weight_of(roots), mean=mean_of(roots), **facts)
        mark((root for root in roots if root.numel() == 1), LOSSES, (self._serial, self._calls))
        thread.events.append(event)
        thread.calls.append(self._calls)
        self._deposits[self._calls] = set()
        return self._calls

    def _walk(self, roots: list[Tensor], place: object, is_weighted: bool) -> dict[str, Any]:
        """Return what a graph says of a backward call: what it reaches, the passes and earlier losses in it."""
        if self._walked.get(place, 0) >= WALKS_PER_LINE:
            return {"scaled": is_scaled(roots)}
        self._walked[place] = self._walked.get(place, 0) + 1
        graph = graph_of(roots)
        self._meet_hidden(graph.leaves)
        numbers = [self.registry.known_parameter(leaf) for leaf in graph.leaves]
        return {
            "reaches": frozenset(number for number in numbers if number is not None) if graph.complete else None,
            "elsewhere": None in numbers,
            "looks": self._own(graph.looks),
            "contains": self._own(graph.losses),
            "scaled": graph.scaled,
            "bare": frozenset() if is_weighted else self._bare(roots),
        }

    def _own(self, marks: frozenset[Mark]) -> frozenset[int]:
        return frozenset(number for serial, number in marks if serial == self._serial)

    def _bare(self, roots: list[Tensor]) -> frozenset[int]:
        """Return the parameters that some part of these losses reaches which no GradScaler has scaled."""
        scaler = self._scaler()
        bare = [] if scaler is None else bare_leaves(roots, scaler.get_scale())
        numbers = map(self.registry.known_parameter, bare)
        return frozenset(number for number in numbers if number is not None)

    def _meet_hidden(self, leaves: Sequence[Tensor]) -> None:
        """Meet the parameters of modules that ran although no outermost module has them: a list hides them."""
        hidden = [leaf for leaf in leaves if isinstance(leaf, torch.nn.Parameter)]
        hidden = [leaf for leaf in hidden if self.registry.known_parameter(leaf) is None]
        forwards = [event for event in self.thread().events if isinstance(event, Forward)]
        if hidden and forwards:
            self.registry.meet_parts_that_ran(hidden, forwards[-1].module)

    @guarded
    def backward_ends(self, call: int) -> None:
        """Note that a call of backward is over."""
        thread = self.thread()
        if thread.calls:
            thread.calls.pop()
        if call:
            deposited = self._deposits.pop(call, set())
            self._gradients.deposited([one for one in self.registry.living() if one[0] in deposited])
            thread.events.append(BackwardEnds(call))
            if self.keeps is not None:
                self.keeps.differentiated()

    @guarded
    def deposit(self, number: int) -> None:
        """Note that a backward call is about to add to a parameter's gradient."""
        thread = self.thread()
        open_in = thread if thread.calls else next((t for t in self._threads.values() if t.calls), None)
        if open_in is None or open_in.quiet or open_in.calls[0] not in self._deposits:
            return
        call = open_in.calls[0]
        self._deposits[call].add(number)
        self._reached.add(number)
        self._gradients.coming(number)
        open_in.events.append(Deposit(call, number))

    @guarded
    def looks_begin(self) -> None:
        """Note a call of ``torch.autograd.grad``, which deposits nothing."""
        self.thread().quiet += 1

    @guarded
    def looks_end(self) -> None:
        """Note that a call of ``torch.autograd.grad`` is over."""
        self.thread().quiet -= 1

    @guarded
    def zero_grad(self) -> None:
        """Note a call of ``zero_grad``."""
        self.thread().events.append(ZeroGrad(user_place()))

    # Steps

    @guarded
    def made_optimizer(self, optimizer: Any) -> None:
        """Note where an optimizer is made."""
        number = self.registry.optimizer(optimizer, user_place())
        tensors = [tensor for group in optimizer.param_groups for tensor in group["params"]]
        self.registry.optimizers[number].holds = held = frozenset(map(self.registry.parameter, tensors))
        self.thread().meets.update(held)

    @guarded
    def step_begins(self, optimizer: Any, frame: FrameType, *, closure: bool = False) -> None:
        """Note that an optimizer is about to step; inside the step of one that holds as much, it is part of it."""
        thread = self.thread()
        while thread.steps and not _runs(thread.steps[-1].frame):
            thread.steps.pop()  # it raised
        tensors = [tensor for group in optimizer.param_groups for tensor in group["params"]]
        numbers = [self.registry.parameter(tensor) for tensor in tensors]
        parameters = list(dict(zip(numbers, tensors, strict=True)).items())
        if any(set(numbers) <= {n for n, _ in step.parameters} for step in thread.steps):
            thread.steps.append(OpenStep(0, frame, [], {}, {}))
            self.registry.optimizers[self.registry.optimizer(optimizer)].nested = True
            return
        self.steps += 1
        thread.meets.update(numbers)
        if self.keeps is not None:
            self.keeps.write(sys.argv[0], user_place())
        self._look_for_owners(optimizer, frozenset(numbers))
        number, gradients = self.registry.optimizer(optimizer), self._gradients.look(parameters)
        weights = self._contents.look(parameters)
        rates = rates_of(optimizer, self.registry.parameter)
        self.registry.optimizers[number].holds = frozenset(numbers)
        if thread.scaler and getattr(optimizer, "_step_supports_amp_scaling", False):  # a fused step divides by itself
            given = getattr(optimizer, "grad_scale", None)
            scale = None if given is None else float(given)
            thread.events.append(Unscale(frozenset(numbers), user_place(), gradients, scale))
        event = StepBegins(
            self.before + self.steps,
            number,
            user_place(),
            gradients,
            weights,
            rates,
            shrunk=self._contents.shrunk(numbers),
            rounded=self._contents.rounded(numbers),
            twice=frozenset(n for n in numbers if numbers.count(n) > 1)
            if len(parameters) < len(numbers)
            else frozenset(),
            frozen=frozenset(n for n, tensor in parameters if not tensor.requires_grad),
            copied=self._copied_gradients(parameters, gradients),
            averaged=self._averages.begins(number, weights, self._contents.entries),
            norm=gradient_norm([tensor for _, tensor in parameters]) if self._clipped else None,
            by_scaler=thread.scaler > 0,
            region=self._open_region(parameters),
            digests=self._contents.digests(parameters) if self.is_distributed else {},
        )
        thread.events.append(event)
        thread.steps.append(OpenStep(event.step, frame, parameters, weights, rates))
        if self.copies and not closure and self._begun[number] == copied_step.STEP:
            copied = copied_step.begin(event.step, optimizer, number, parameters, self._entries)
            self._copied += [] if copied is None else [(thread, copied)]

    def _copied_gradients(self, parameters: Sequence[Numbered], gradients: Gradients) -> dict[int, int]:
        """Return the parameters whose gradient the user has copied from another one, with that one."""
        given = [one for one in parameters if gradients.get(one[0]) in (Holding.ASSIGNED, Holding.EDITED)]
        if not given:
            return {}
        return self._sources.sources(given, self._at_hand())

    def _look_for_owners(self, optimizer: Any, numbers: frozenset[int]) -> None:
        """Look once, at an optimizer's second step, for the modules of what it holds and no gradient has reached."""
        number = self.registry.optimizer(optimizer)
        self._begun[number] = self._begun.get(number, 0) + 1
        waiting = numbers - self._reached
        if self._begun[number] == WITHOUT_GRADIENTS and waiting:
            self.registry.find_owners(waiting)

    @guarded
    def step_ends(self, optimizer: Any) -> None:
        """Note that an optimizer has stepped."""
        thread = self.thread()
        step = thread.steps.pop() if thread.steps else None
        if step is None or not step.number:
            return
        weights = self._contents.look(step.parameters, after_step=True)
        moved = frozenset(n for n, content in weights.items() if content != step.weights.get(n))
        still = [one for one in step.parameters if one[0] not in moved and one[0] in weights]
        stuck = frozenset(n for n, tensor in still if is_stuck(tensor, step.rates.get(n), self._entries))
        lost = lost_in_rounding(
            [tensor for number, tensor in still if number not in stuck],
            [tensor for _, tensor in step.parameters],
            lambda tensor: step.rates.get(self.registry.parameter(tensor), 0.0),
        )
        self._gradients.used(step.parameters)
        number = self.registry.optimizer(optimizer)
        self._averages.ends(number, weights, self._contents.entries)
        self.registry.optimizers[number].remembers = _remembers(optimizer)
        for _, copied in self._copied:
            if copied.step == step.number:
                copied.left = copied_step.kept_entries(step.parameters, self._entries)
        digests = self._contents.digests(step.parameters) if self.is_distributed else {}
        thread.events.append(
            StepEnds(step.number, weights, moved, stuck, frozenset(map(self.registry.parameter, lost)), digests)
        )
        if self.steps >= self._limit and not thread.steps and not thread.calls:
            self.ending = Ending.STOPPED
            self.stop()


def _transformed() -> bool:
    """Say whether a transform of torch.func runs: its tensors have no memory that could be read."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def _runs(frame: FrameType | None) -> bool:
    """Say whether a frame still runs."""
    now: FrameType | None = sys._getframe(1)
    while now is not None and now is not frame:
        now = now.f_back
    return now is not None


def _remembers(optimizer: Any) -> bool:
    """Say whether an optimizer keeps anything from step to step."""
    state: Any = next(iter(optimizer.state.values()), {})
    return isinstance(state, dict) and any(value is not None for value in state.values())

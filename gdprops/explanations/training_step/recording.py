"""Watch a training step: log every op on a parameter's storage, every forward pass and every call of an optimizer.

The log only suggests hypotheses and proves none of them: a replay must then end at the weights that the step left.
Example: "forward pass over rows 0-5, all parameters written, forward pass over rows 6-11, all parameters written"
suggests one update per micro-batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from gdprops.explanations.training_step.loss_watch import LossWatch
from gdprops.explanations.training_step.observation import Call, LateRead, Observation, Pass
from gdprops.subjects.torch_optimizer.state import held_by
from gdprops.subjects.training_step.op_arguments import Parameters, arguments_of, in_backward, unwatched

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.training_run import Training


COPY = torch.ops.aten.copy_.default
"""``p[...] -= x`` ends with a copy of a view of p onto itself; this copy does not count as a late read of p."""


ATEN = torch.ops.aten
PRODUCTS = {ATEN.mm, ATEN.mv, ATEN.bmm, ATEN.addmm, ATEN.addmv, ATEN.dot, ATEN.convolution}


@final
class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own
    """Logs reads and writes of parameters.

    It keeps all tensors alive: otherwise the allocator could use an address twice, and two tensors would seem to share
    memory.
    """

    def __init__(self, run: Training, live: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch's own
        self._run, self._parameters = run, Parameters(live.parameters)
        self._kept: list[Any] = []
        self.writes: Counter[int] = Counter()
        self.late: dict[LateRead, None] = {}
        self.passes: list[Pass] = []
        self.calls: list[Call] = []
        self._updating: list[tuple[list[Array | None], list[Array]]] = []
        self._inside, self._whole, self._model = 0, 0, live.model
        self._looked, self._left = 0, self._parameters.gradients()
        self._live, self._hooked = live, hooked(live.parameters)
        self.losses = LossWatch(live.model, self._parameters.gradients)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = arguments_of(func, args, kwargs or {})
        own = {i for t in given.written for i in self._parameters.under(t)} if func is COPY else set[int]()
        self._looked = len(self.passes) if in_backward() else self._looked
        for tensor in given.read:
            for i in self._parameters.under(tensor):
                if self.writes[i] and i not in own:
                    self.late[LateRead(i, self._place(func))] = None
        found = func(*args, **(kwargs or {}))
        self._kept += [given, found]
        for tensor in given.written:
            self.writes.update(self._parameters.under(tensor))
        return found

    def _place(self, func: Any) -> str:
        """Say where a parameter is read: in the forward pass, in the backward pass or in the update.

        A matrix product outside a forward pass counts as a backward pass: hand-written backprop multiplies by weights.
        """
        if in_backward():
            return "backward"
        if self._whole:
            return "forward"
        return "backward" if self._inside or func.overloadpacket in PRODUCTS else "update"

    def enters(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note that a module's forward begins; a pass is logged at the outermost module."""
        self._inside += 1
        self._whole += module is self._model
        if self._inside == 1 and not in_backward():
            values = (*args, *kwargs.values())
            inputs = copied(values[0]) if len(values) == 1 else None
            self.passes.append(Pass(self._rows(values), self._weights(), torch.is_grad_enabled(), inputs))

    def _rows(self, values: Any) -> tuple[int, ...] | None:
        live: Any = self._run.live
        seen, batch = first_tensor(values), first_tensor(live.inputs)
        with unwatched():
            rows = None if seen is None or batch is None else rows_seen(seen, batch)
        return None if rows is None else tuple(live.first + row for row in rows)

    def leaves(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Note that a module's forward ends."""
        self._inside -= 1
        self._whole -= module is self._model
        if not self._inside and not in_backward() and self.passes:
            self.passes[-1] = self.passes[-1]._replace(outputs=copied(output))

    def calls_optimizer(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Note the gradients and weights right before an optimizer steps."""
        held = set(map(id, held_by(optimizer)))
        self._updating.append((self._parameters.gradients(held), self._weights()))

    def called_optimizer(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Log the call of an optimizer that has just stepped."""
        gradients, before = self._updating.pop()
        self.calls.append(Call(gradients, before, self._weights()))

    def _weights(self) -> list[Array]:
        self._parameters.look_again()
        with unwatched():
            return self._run.weights()

    def observation(self) -> Observation:
        """Return what was seen.

        Forward passes after the last backward pass (to log the loss, for example) are marked as not learned from.
        """
        passes = [one if k < self._looked else one._replace(learns=False) for k, one in enumerate(self.passes)]
        return Observation(
            tuple(passes),
            tuple(self.calls),
            self.writes,
            tuple(self.late),
            self._run.weights(),
            self._left,
            self.losses.losses,
            tuple(self.losses.roots),
            max((b - a for a, b in zip(self._hooked, hooked(self._live.parameters), strict=True)), default=0),
        )


def copied(value: Any) -> Array | None:
    """Return the numbers of a tensor, None for anything else."""
    if not isinstance(value, Tensor):
        return None
    with unwatched():
        plain = value.layout is torch.strided and value.device.type == "cpu"
        return value.detach().resolve_conj().numpy().copy() if plain else None


def hooked(parameters: Sequence[Tensor]) -> list[int]:
    """Return how many gradient hooks every parameter has."""
    return [
        len(p._backward_hooks or ()) + len(getattr(p, "_post_accumulate_grad_hooks", None) or ()) for p in parameters
    ]


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor in a structure of tuples, lists and dicts."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return next((found for member in value if (found := first_tensor(member)) is not None), None)
    return value if isinstance(value, Tensor) else None


def rows_seen(seen: Tensor, batch: Tensor) -> tuple[int, ...] | None:
    """Return which rows of the batch a tensor holds, None if it holds others.

    Rows are recognized by their address where the tensor is a view of the batch, else by their numbers.
    """
    if not batch.ndim or seen.shape[1:] != batch.shape[1:] or not seen.ndim:
        return None
    many, one = len(batch), batch.stride(0) * batch.element_size()
    if seen.untyped_storage().data_ptr() == batch.untyped_storage().data_ptr() and one and len(seen):
        first, skip = divmod(seen.data_ptr() - batch.data_ptr(), one)
        apart = seen.stride(0) * seen.element_size() // one if len(seen) > 1 else 1
        return tuple(first + k * apart for k in range(len(seen))) if not skip else None
    return rows_by_value(np.asarray(seen.detach()), np.asarray(batch.detach()), many)


def rows_by_value(seen: Array, batch: Array, many: int) -> tuple[int, ...] | None:
    """Return which rows of the batch hold the numbers of each row of ``seen``, None if one is not in the batch.

    Where several rows of the batch are equal, the next one after the last row found is taken.
    """
    found: list[int] = []
    for row in seen:
        same = [k for k in range(many) if np.array_equal(batch[k], row)]
        if not same:
            return None
        after = [k for k in same if not found or k > found[-1]]
        found.append((after or same)[0])
    return tuple(found)


@contextmanager
def recording(run: Any) -> Iterator[Recorder]:
    """Log what happens to a run's live parameters in the user's own calls inside the context."""
    live = run.live
    recorder = Recorder(run, live)

    @contextmanager
    def watching() -> Iterator[None]:
        with ExitStack() as stack:
            for handle in (*recorder.losses.hooks(), *_optimizer_hooks(recorder)):
                stack.callback(handle)
            stack.enter_context(recorder)
            stack.enter_context(recorder.losses)
            yield

    with ExitStack() as stack:
        for handle in _hooks(live.model, recorder):
            stack.callback(handle)
        stack.callback(setattr, run, "around", run.around)
        run.around = watching
        yield recorder


def _hooks(model: torch.nn.Module, recorder: Recorder) -> Iterator[Callable[[], None]]:
    for module in model.modules():
        yield module.register_forward_pre_hook(recorder.enters, with_kwargs=True).remove
        yield module.register_forward_hook(recorder.leaves, with_kwargs=True, always_call=True).remove


def _optimizer_hooks(recorder: Recorder) -> Iterator[Callable[[], None]]:
    """Watch all optimizers while the user's code runs: between its calls gdprops steps its own."""
    yield register_optimizer_step_pre_hook(recorder.calls_optimizer).remove
    yield register_optimizer_step_post_hook(recorder.called_optimizer).remove


def record(run: Training, t: int) -> Observation:
    """Watch the user's step train on batch t, and return what was seen."""
    with recording(run) as recorder:
        run.step(t)
    return recorder.observation()

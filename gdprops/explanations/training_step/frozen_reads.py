"""Run the user's step again while every read of an already moved parameter returns the values from before the step.

This is a counterfactual experiment. If the step is right in this way and wrong otherwise, then it uses weights that it
has already moved, and nothing else is wrong. An in-place op on the parameter itself (``p.mul_(…)``) is a write and is
not changed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, final

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gdprops.subjects.training_step.op_arguments import Parameters, bound, is_read, is_written, tensors_in

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.training_run import Training


@final
class FrozenReads(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own
    """Answers reads of the chosen parameters with their values from before the step, once they have been written."""

    def __init__(self, live: Any, chosen: Collection[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch's own
        self._parameters, self._chosen = Parameters(live.parameters), set(chosen)
        self._storages = [p.untyped_storage().clone() for p in live.parameters]
        self._written: set[int] = set()
        self.kept: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        written = [t for a, v in bound(func, args, kwargs) if is_written(a) for t in tensors_in(v)]
        args = list(args)
        for k, (argument, value) in enumerate(list(bound(func, args, kwargs))):
            if self._written and is_read(argument):
                if k < len(args):
                    args[k] = self._as_before(value)
                else:
                    kwargs[argument.name] = self._as_before(value)
        found = func(*args, **kwargs)
        self.kept += [args, kwargs, found]
        for tensor in written:
            self._written |= self._chosen.intersection(self._parameters.under(tensor))
        return found

    def _as_before(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self._as_before(v) for v in value)
        if not isinstance(value, Tensor):
            return value
        stale = [i for i in self._parameters.under(value) if i in self._written]
        return self._twin(value, stale[0]) if stale else value

    def _twin(self, tensor: Tensor, i: int) -> Tensor:
        """Return a tensor with the values that ``tensor``, a view of parameter i, would show before the step."""
        return tensor.new_empty(0).set_(self._storages[i], tensor.storage_offset(), tensor.shape, tensor.stride())


def stepped_on_frozen_reads(run: Training, t: int, chosen: Collection[int]) -> list[Array]:
    """Return the weights after the user's step on batch t, run with frozen reads of the chosen parameters."""
    with FrozenReads(run.live, chosen):
        run.step(t)
    return run.weights()

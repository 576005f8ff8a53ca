"""Keeping one step of a watched run: its weights, and the batches of its window, so that `gdprops check` can replay it.

Watching sees which gradients a step used, not whether they are the right ones: that takes the step as a function. The
weights at the window's first forward pass and what each backward call was computed from are written to a folder, with
a Python file in which the network and the step are left to be filled in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.model.code_place import Place
from gdprops.subjects.training_step.structures import tensors_in

FILE = "step.py"
WEIGHTS, BATCHES = "weights.pt", "batches.pt"
AHEAD = 3
"""A loader's wrapper may be so many batches ahead of what is trained on."""


@final
class KeptStep:
    """The first window of a run, kept in a folder when its step begins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._weights: dict[str, dict[str, Tensor]] = {}
        self._loaded: deque[Any] = deque(maxlen=AHEAD)
        self._inputs: Any = None
        self._targets: Any = None
        self._criterion: str | None = None
        self._batches: list[tuple[Any, Any]] = []
        self.is_written = False

    def require(self) -> None:
        """Make the folder. Raises `UsageError` where it cannot be written, or holds a step already."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--record {self._folder}: cannot be made ({error.strerror})") from None
        if (self._folder / FILE).exists():
            raise UsageError(f"--record {self._folder}: it has a {FILE} already")

    @property
    def file(self) -> Path:
        """The Python file in which the step is to be filled in."""
        return self._folder / FILE

    def loaded(self, batch: object) -> None:
        """Note a batch that a data loader has handed over."""
        self._loaded.append(batch)

    def begins(self, label: str, module: nn.Module) -> None:
        """Keep the weights of an outermost module at its first forward pass."""
        if label not in self._weights and next(module.parameters(), None) is not None:
            self._weights[label] = {name: copied(value) for name, value in module.state_dict().items()}

    def ends(self, module: nn.Module, given: tuple[Any, Any]) -> None:
        """Note what a module was given: the inputs of the first network, the targets of a criterion."""
        args, kwargs = given
        if next(module.parameters(), None) is None:
            if len(list(tensors_in(args))) > 1:
                self._targets, self._criterion = copied(args[-1]), type(module).__name__
        elif self._inputs is None:
            whole = dict(kwargs or {}) if not args else args[0] if len(args) == 1 and not kwargs else tuple(args)
            self._inputs = copied(whole)

    def differentiated(self) -> None:
        """Note that a backward call is over: what came before it is one micro-batch."""
        if self._inputs is not None:
            self._batches.append(self._micro_batch())
        self._inputs = self._targets = None

    def _micro_batch(self) -> tuple[Any, Any]:
        given = list(tensors_in(self._inputs))
        for batch in reversed(self._loaded):
            known = isinstance(batch, list | tuple) and len(batch) == 2
            if known and given and any(_same(one, given[0]) for one in tensors_in(batch[0])):
                return copied(batch[0]), copied(batch[1])
        return self._inputs, self._targets

    def write(self, script: str, place: Place | None) -> None:
        """Write what was kept."""
        self.is_written = True
        torch.save(self._weights, self._folder / WEIGHTS)
        torch.save(self._batches, self._folder / BATCHES)
        self.file.write_text(self._text(script, place), encoding="utf-8")

    def _text(self, script: str, place: Place | None) -> str:
        where = script if place is None else f"{place.file}:{place.line}"
        given = getattr(nn, self._criterion or "", None)
        unknown = f'lambda outputs, targets: to_be_filled_in("the loss of {where}")'
        loss = unknown if given is None else f"torch.nn.{self._criterion}()"
        window = f"\n    accumulate={len(self._batches)}," if len(self._batches) > 1 else ""
        label = next(iter(self._weights), "model")
        return TEMPLATE.format(
            where=where, file=self.file.as_posix(), script=script, label=label, loss=loss, window=window
        )


TEMPLATE = '''\
"""The step at {where}, as gdprops watch has kept it. Fill in `network` and `build`, then

    gdprops check {file}:subject
"""

from pathlib import Path

import gdprops
import torch
from hypothesis import strategies as st

HERE = Path(__file__).parent
WEIGHTS = torch.load(HERE / "weights.pt", weights_only=True)  # by the names that the networks have in the script
BATCHES = torch.load(HERE / "batches.pt", weights_only=True)  # (inputs, targets) of each backward call of the window


def to_be_filled_in(what):
    raise NotImplementedError(f"fill in {{what}}")


def network():
    model = to_be_filled_in("the network of {script}")
    model.load_state_dict(WEIGHTS["{label}"])
    return model


def build(model, loss_fn):
    optimizer = to_be_filled_in("the optimizer of {script}")

    def step(inputs, targets):
        to_be_filled_in("the step of {where}")

    return step, optimizer


subject = gdprops.training_step(
    build,
    models=st.builds(network),
    batches=lambda index: BATCHES[index % len(BATCHES)],
    loss={loss},{window}
)
'''


def copied(value: Any) -> Any:
    """Return a copy of the tensors and numbers of a batch; what else there is becomes None."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, Mapping):
        return {str(key): copied(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return tuple(copied(part) for part in value)
    return value if isinstance(value, bool | int | float | str) else None


def _same(left: Tensor, right: Tensor) -> bool:
    return left.shape == right.shape and left.dtype == right.dtype and torch.equal(left.cpu(), right.cpu())

"""Keeping one step of a watched run: its weights, and the batches of its window, so that `gdprops check` can replay it.

Watching sees which gradients a step used, not whether they are the right ones: that takes the step as a function. The
weights at the window's first forward pass and what each backward call was computed from are written to a folder, with
a Python file in which the network and the step are left to be filled in.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.model.code_place import Place
from gdprops.subjects.training_step.structures import rows_in, tensors_in

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
        self._clips: set[tuple[str, float]] = set()
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
                self._targets = copied(args[-1])
                known = getattr(nn, type(module).__name__, None) is type(module)
                self._criterion = f"torch.nn.{type(module).__name__}()" if known else None
        elif self._inputs is None:
            whole = dict(kwargs or {}) if not args else args[0] if len(args) == 1 and not kwargs else tuple(args)
            self._inputs = copied(whole)

    def loss_called(self, name: str, args: tuple[Any, ...], more: Mapping[str, Any]) -> None:
        """Note a loss function of torch: its targets, and what it is where nothing else was said to it."""
        target = args[1] if len(args) > 1 else more.get("target")
        if isinstance(target, Tensor):
            self._targets = copied(target)
            plain = len(args) <= len(OF_A_LOSS) and set(more) <= OF_A_LOSS
            self._criterion = f"torch.nn.functional.{name}" if plain else None

    def clipped(self, limit: float, *, by_norm: bool) -> None:
        """Note that gradients were clipped."""
        if math.isfinite(limit):
            self._clips.add(("clip_norm" if by_norm else "clip_value", limit))

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
        loss = self._criterion or f'lambda outputs, targets: to_be_filled_in("the loss of {where}")'
        declared = "".join(f"\n    {key}={value}," for key, value in self._declared())
        label, unseen = next(iter(self._weights), "model"), sum(targets is None for _, targets in self._batches)
        return TEMPLATE.format(
            where=where,
            file=self.file.as_posix(),
            script=script,
            label=label,
            loss=loss,
            declared=declared,
            targets=NO_TARGETS.format(unseen=unseen, all=len(self._batches)) if unseen else "",
        )

    def _declared(self) -> Iterator[tuple[str, str]]:
        """Yield what the window shows of what the step means to do."""
        if len(self._batches) > 1:
            yield "accumulate", str(len(self._batches))
            if len({rows_in((inputs,)) for inputs, _ in self._batches}) == 1:
                yield "micro", repr("equal")
        if len(self._clips) == 1:
            ((key, limit),) = self._clips
            yield key, repr(limit)


OF_A_LOSS = frozenset({"input", "target"})
"""The arguments of a loss function that say nothing of which loss it is."""
NO_TARGETS = """\
# The targets of {unseen} of {all} are None: the network was not given them, and neither was a loss of torch.nn or
# torch.nn.functional. Put them into BATCHES, or compute them in the loss.
"""
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
{targets}

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
    loss={loss},{declared}
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

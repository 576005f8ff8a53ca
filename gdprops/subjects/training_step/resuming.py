"""A training that is saved and goes on in a fresh process: what is kept of it, and a fresh run that begins from that.

Where ``build`` returns ``save`` and ``load``, these keep whatever they keep. Else the ``state_dict()`` of the model and
of each part that ``build`` returns is kept. Random numbers and the place in the data are put back by gdprops itself.
"""

from __future__ import annotations

import copy
import inspect
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from gdprops.errors import UsageError
from gdprops.subjects.training_step.returned import SeveralOptimizers

if TYPE_CHECKING:
    from torch import nn

    from gdprops.model.subject import Calling
    from gdprops.subjects.training_step.returned import Returned

PARTS = ("optimizer", "scheduler", "scaler", "average")


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a training: what ``save`` has returned or written, or the state of each part by name."""

    content: Any
    is_file: bool
    own: bool


@final
class Resuming:
    """Saves and loads one run of a training step."""

    def __init__(self, model: nn.Module, built: Returned, calls: Calling) -> None:
        self._model, self._calls = model, calls
        self._save, self._load = built.beside.get("save"), built.beside.get("load")
        self._parts = dict(_parts(model, built))
        self._average = built.beside.get("average")

    @property
    def has_own(self) -> bool:
        """Whether ``build`` has returned both ``save`` and ``load``."""
        return callable(self._save) and callable(self._load)

    def save(self) -> Kept:
        """Return what is kept of the training as it is now, so that nothing changes it later."""
        if not self.has_own:
            return Kept(
                {name: _frozen(part.state_dict()) for name, part in self._parts.items()}, is_file=False, own=False
            )
        save: Any = self._save
        if not _takes_a_path(save):
            with self._calls.to("save()"):
                found = save()
            return Kept(_frozen(found), is_file=False, own=True)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.pt"
            with self._calls.to("save(path)"):
                save(str(path))
            if not path.is_file():
                raise UsageError("save(path) wrote no file at the path that it was given; expected one file there")
            return Kept(path.read_bytes(), is_file=True, own=True)

    def load(self, kept: Kept) -> None:
        """Let this run begin where the other one was saved."""
        if not kept.own:
            for name, part in self._parts.items():
                with self._calls.to(f"load_state_dict() of the {name.split()[0]}"):
                    part.load_state_dict(_thawed(kept.content[name]))
            return
        load: Any = self._load
        if not kept.is_file:
            with self._calls.to("load(saved)"):
                load(_thawed(kept.content))
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.pt"
            path.write_bytes(kept.content)
            with self._calls.to("load(path)"):
                load(str(path))


def _parts(model: nn.Module, built: Returned) -> Iterator[tuple[str, Any]]:
    """Yield everything with a state that ``build`` has returned, by name."""
    yield "model", model
    several = built.optimizer.optimizers if isinstance(built.optimizer, SeveralOptimizers) else [built.optimizer]
    yield from ((f"optimizer {k}", one) for k, one in enumerate(several, start=1) if one is not None)
    for key in PARTS[1:]:
        given = built.beside.get(key)
        found = list(given.values()) if isinstance(given, Mapping) else given
        for k, one in enumerate(found if isinstance(found, list | tuple) else [found], start=1):
            if hasattr(one, "state_dict") and hasattr(one, "load_state_dict"):
                yield f"{key} {k}", one
            elif isinstance(one, Tensor):
                yield f"{key} {k}", _OfTensor(one)


@final
class _OfTensor:
    """A tensor with a state: its own numbers."""

    def __init__(self, t: Tensor) -> None:
        self._t = t

    def state_dict(self) -> dict[str, Tensor]:
        """Return its numbers."""
        return {"": self._t.detach().clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Overwrite its numbers."""
        with torch.no_grad():
            self._t.copy_(state[""])


def _takes_a_path(save: Callable[..., Any]) -> bool:
    """Say whether ``save`` needs an argument: the path of the file that it writes."""
    try:
        parameters = inspect.signature(save).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _frozen(state: Any) -> Any:
    """Return a state as a file keeps it; what cannot be written is copied."""
    file = io.BytesIO()
    try:
        torch.save(state, file)
    except Exception:  # whatever its parts raise
        return copy.deepcopy(state)
    return file.getvalue()


def _thawed(kept: Any) -> Any:
    return torch.load(io.BytesIO(kept), weights_only=False) if isinstance(kept, bytes) else copy.deepcopy(kept)

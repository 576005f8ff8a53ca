"""Which parameters a rank holds: all of the model's, or those of its stage of a pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.model.rank_mesh import PIPELINE, size_of
from gdprops.model.wording import type_of
from gdprops.subjects.distributed_step.layouts import stages_told
from gdprops.subjects.distributed_step.ranks.read_back import plain_name

if TYPE_CHECKING:
    from gdprops.model.rank_mesh import Mesh

STAGE = "stage"
"""The key under which ``build`` returns the module of a rank's stage, or several of them."""


def held_of(model: nn.Module, stage: Any = None) -> dict[str, Tensor]:
    """Return the parameters that a rank holds now, by their names in the model. Raises `UsageError` for no module.

    Wrappers change parameters from step to step; so this is asked anew.
    """
    named = {plain_name(name): p for name, p in model.named_parameters()}
    if stage is None:
        return dict(named)
    own = [(plain_name(name), p) for one in _modules(stage) for name, p in one.named_parameters()]
    by_id = {id(p): name for name, p in named.items()}
    found = dict[str, Tensor]()
    for name, p in own:
        shown = by_id.get(id(p), name)
        if shown not in named:
            raise UsageError(f"the stage has a parameter {name} that is none of the model's")
        found[shown] = p
    return found


def _modules(stage: Any) -> list[nn.Module]:
    several = list(stage) if isinstance(stage, Iterable) and not isinstance(stage, nn.Module) else [stage]
    other = next((one for one in several if not isinstance(one, nn.Module)), None)
    if other is not None:
        raise UsageError(f"build returned {type_of(other)} as its stage; expected a module, or a list of modules")
    return several


def require_stages(mesh: Mesh, stage: Any, held: int, given: int) -> None:
    """Raise `UsageError` where a rank of a pipeline does not say which layers are its own.

    ``held``, ``given``: how many parameters it holds, and how many the model had before ``build``.
    """
    if size_of(mesh, PIPELINE) > 1 and stage is None and held == given:
        raise UsageError(stages_told(mesh))

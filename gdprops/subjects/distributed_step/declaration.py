"""What the user declares of a distributed step, and what one trial of it on one process has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

from gdprops.model.rank_mesh import PLAIN, Mesh
from gdprops.subjects.training_step.declaration import Declaration

if TYPE_CHECKING:
    from gdprops.subjects.distributed_step.user_objects import Where

WORLDS = (2, 4)
"""How many ranks there are where the user does not say it: what is wrong from four ranks on does not show on two."""
EQUAL, RAGGED = "equal", "ragged"
"""What ``parts=`` says of the numbers of rows that ranks have."""


@final
@dataclass(frozen=True, slots=True)
class Habits:
    """What a trial on one process has seen.

    ``sets_rate``: a learning rate that is put into the returned optimizer acts. ``keeps_state``: its update depends on
    earlier steps. ``step_at``: where the step stands in what ``build`` returns. ``unknown``: why the update on one
    process is not the expected one, empty where it is. ``layout``: how each parameter lies on the ranks.
    ``takes_scalars``: ``build`` takes 0-d parameters. ``told_last``: the step wants to know which call is the last of a
    window. ``loads_on``: on how many ranks a training may be loaded that the smallest world has saved, that world
    first; empty where ``build`` returns no ``save(path)`` and ``load(path)``. ``unused``: what happens where only some
    ranks reach a parameter, if the ranks then lose each other or raise; empty where they go on. ``shares_buffers``:
    when a forward pass begins, ranks that had other rows have found equal buffers, or the user's own model has any
    that change. ``own_rows``: how many rows a batch of the user's own has, 0 where batches are drawn.
    ``beside_none``: why no single process can be put beside ranks that train the user's own model. ``freezes``: cases
    may have frozen parameters.
    """

    sets_rate: bool = True
    keeps_state: bool = False
    step_at: str = ""
    unknown: str = ""
    layout: Mapping[str, str] = field(default_factory=dict)
    takes_scalars: bool = True
    told_last: bool = False
    loads_on: tuple[int, ...] = ()
    unused: str = ""
    shares_buffers: bool = False
    own_rows: int = 0
    beside_none: str = ""
    freezes: bool = True


@final
@dataclass(frozen=True, slots=True)
class Distributed:
    """``training``: what is declared as of any training step; ``worlds``: on how many ranks it runs.

    ``parts``: ``"equal"`` or ``"ragged"``. ``given``: how ranks find the user's functions, by name. ``mesh``: how ranks
    share the work.
    """

    training: Declaration
    worlds: tuple[int, ...]
    parts: str = EQUAL
    given: Mapping[str, Where] = field(default_factory=dict)
    habits: Habits = field(default_factory=Habits)
    mesh: Mesh = PLAIN

    @property
    def layouts(self) -> dict[str, int] | None:
        """What ``layouts=`` would say, None where every rank has rows of its own."""
        return None if self.mesh == PLAIN else dict(self.mesh)

    @property
    def stated(self) -> Mapping[str, Any]:
        """What the subject is made of, by name."""
        parts = None if self.parts == EQUAL else self.parts
        return {**self.training.parts, "world": self.worlds, "parts": parts, "layouts": self.layouts}

    @property
    def typed(self) -> dict[str, Any]:
        """What is declared and not the default, as a command states it."""
        plain = {"lr": None, "clip_norm": None, "clip_value": None, "accumulate": 1}
        found = {key: value for key, no in plain.items() if (value := getattr(self.training, key)) != no}
        found |= {} if self.parts == EQUAL else {"parts": self.parts}
        found |= {} if self.layouts is None else {"layouts": self.layouts}
        return found | (
            {} if self.worlds == WORLDS else {"world": self.worlds[0] if len(self.worlds) == 1 else self.worlds}
        )

    def named(self, name: str) -> Distributed:
        """Return the declaration under another name."""
        return replace(self, training=replace(self.training, name=name))

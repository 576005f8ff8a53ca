"""The domain of a subject: what the strategies may put into its cases (dtypes, shapes, hyperparameters, …)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

from gdprops.model.backprop_layout import Layout
from gdprops.model.rank_mesh import DATA, PLAIN, Mesh, fitted, size_of


class OwnSource(NamedTuple):
    """The user's strategies for own models and batches; None where the user gave a function instead."""

    models: Any
    batches: Any


@final
@dataclass(frozen=True, slots=True)
class Domain:
    """What the strategies must know of a subject to draw its cases.

    ``precisions``: 53 and/or 24 significant bits (float64, float32). ``dimensions``: the accepted numbers of
    dimensions, None for any. ``rate``: whether the learning rate can be set. ``groups``: whether several parameter
    groups are accepted. ``groups_crash``: whether a step crashes on several groups. ``missing``: whether gradients may
    be None; a subject that raises there is judged for it by one clause, and not by all. ``plain``: whether it is plain
    gradient descent, declared or measured. ``empty``: whether tensors without entries are accepted. ``frozen``: whether
    parameters with requires_grad=False are accepted. ``waits``: after how many steps the subject first moves anything.
    ``features``: what else it supports (``"closure"``, ``"bfloat16"``, ``"implementations"``). ``without_objects``: why
    the subject has no parameter objects, closures and autograd gradients; empty where it has them. ``unmeasured``: how
    a step raised before all of this was measured, empty where it is measured: what is missing here may be supported.

    ``options``: the further hyperparameters that the subject accepts, each with the value that a case may switch on.
    ``nonlinear``: the options with which a step is not linear in the learning rate. ``counted``: the options with which
    steps are not counted per tensor. ``rule_options``: the options that the declared rule has. ``rule_scales``: the
    sizes of gradients at which forms of the declared rule differ.

    ``layout``: the parameter shapes of hand-written backprop. ``means``: whether losses must be means. ``window``: how
    many micro-batches make a logical step. ``tells_last``: whether the last window may be shorter. ``clip``: the norm
    that gradients are clipped to. ``kinds``: the architectures that a training step can train. ``own``: where the
    user's own models come from. ``equal``: whether all micro-batches have one size. ``shown_after``: how many steps
    show that parameters train and rest at declared steps. ``updates``: how many updates show a schedule. ``worlds``: on
    how many ranks a step is run. ``ragged``: whether ranks may have different numbers of rows. ``sets_rate``: whether
    the learning rate that a case draws can be put into the optimizer that ``build`` returns. ``loads_on``: on how many
    ranks a training that the smallest world has saved may be loaded. ``own_rows``: how many rows all ranks together
    have of the user's own batches, 0 where these are drawn. ``mesh``: how ranks share the work.
    """

    precisions: tuple[int, ...] = (53, 24)
    dimensions: frozenset[int] | None = None
    rate: bool = True
    groups: bool = True
    groups_crash: bool = False
    plain: bool = False
    options: Mapping[str, float | bool] = field(default_factory=dict)
    empty: bool = True
    frozen: bool = True
    nonlinear: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()
    waits: int = 0
    features: frozenset[str] = frozenset()
    layout: Layout | None = None
    means: bool = False
    window: int = 1
    tells_last: bool = False
    equal: bool = False
    shown_after: int = 1
    updates: int = 12
    worlds: tuple[int, ...] = ()
    ragged: bool = False
    sets_rate: bool = True
    loads_on: tuple[int, ...] = ()
    own_rows: int = 0
    mesh: Mesh = PLAIN
    clip: float | None = None
    rule_options: Mapping[str, float | bool] = field(default_factory=dict)
    rule_scales: tuple[float, ...] = (1.0,)
    kinds: tuple[str, ...] = ()
    own: OwnSource | None = None
    without_objects: str = ""
    missing: bool = True
    unmeasured: str = ""

    def mesh_of(self, world: int) -> Mesh:
        """Return the mesh of so many ranks; an empty one where each of them has rows of its own."""
        return () if self.mesh == PLAIN or world == 1 else fitted(self.mesh, world) or ()

    def count_of_parts(self, world: int) -> int:
        """Return into how many parts the rows of a batch are dealt."""
        mesh = self.mesh_of(world)
        return size_of(mesh, DATA) if mesh else world

    def own_parts(self, world: int) -> tuple[int, ...]:
        """Return the sizes of the parts of the user's own batches; what cannot be dealt evenly is left out."""
        count = self.count_of_parts(world)
        size = self.own_rows // (count * self.window) * self.window
        if not self.ragged or count == 1 or size < 2 * self.window:
            return (size,) * count
        moved = size // (2 * self.window) * self.window
        return (size + moved, *(size,) * (count - 2), size - moved)

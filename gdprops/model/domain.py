"""What the cases of a subject may contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

from gdprops.model.backprop_layout import Layout


class OwnSource(NamedTuple):
    """Strategies for the user's own models and batches; None where a function is called instead."""

    models: Any
    batches: Any


@final
@dataclass(frozen=True, slots=True)
class Domain:
    """What generation must know of a subject.

    ``precisions``: 53 and/or 24 significant bits; ``dimensions``: accepted numbers of dimensions, None for any;
    ``rate``: whether the learning rate can be set; ``groups``: whether several parameter groups are accepted;
    ``plain``: plain gradient descent, declared or probed; ``options``: further hyperparameters that the subject
    accepts, with the value that a case may switch on; ``empty``: whether tensors without entries are accepted;
    ``frozen``: whether parameters with requires_grad=False are; ``nonlinear``: those of the options with which the
    answer to the learning rate is not linear; ``counted``: those with which the steps are not counted by tensor;
    ``waits``: after how many steps it first moves anything; ``features``: what else it takes (``"closure"``,
    ``"bfloat16"``, ``"implementations"``); ``layout``: the shapes of a hand-written network; ``means``: whether losses
    must be means; ``window``: how many micro-batches make a logical step, ``tells_last``: whether a last window may be
    short; ``clip``: what gradients are clipped to; ``rule_options``: the same as ``options``, of the rule that the
    subject declares; ``rule_scales``: sizes of gradients that tell forms of that rule apart; ``kinds``: the
    architectures that a step can train; ``own``: the user's own models; ``equal``: whether micro-batches all have one
    size; ``without_objects``: why the subject has no parameter objects, closures and autograd gradients, empty where it
    has them.
    """

    precisions: tuple[int, ...] = (53, 24)
    dimensions: frozenset[int] | None = None
    rate: bool = True
    groups: bool = True
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
    clip: float | None = None
    rule_options: Mapping[str, float | bool] = field(default_factory=dict)
    rule_scales: tuple[float, ...] = (1.0,)
    kinds: tuple[str, ...] = ()
    own: OwnSource | None = None
    without_objects: str = ""

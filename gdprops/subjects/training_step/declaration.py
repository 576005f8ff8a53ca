"""What the user declares of a training step, and the habits that one trial has seen.

All files that run a training step, try it, print it or compute its expected update read these data; `subject.py` makes
a subject of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import torch
from torch import nn

from gdprops.model.subject import Calling
from gdprops.numerics.decisions import DOUBLE
from gdprops.subjects.user_code.calling import Calls

if TYPE_CHECKING:
    from gdprops.subjects.training_step.own.models import OwnModels

EQUAL = "equal"
"""What ``micro=`` says of micro-batches that all have one size."""
Step = Callable[..., Any]
Build = Callable[[nn.Module, nn.Module], Any]
Factory = Callable[..., torch.optim.Optimizer]


@final
@dataclass(frozen=True, slots=True)
class Habits:
    """How a step was seen to work in one trial: nothing here is a fault, but clauses and cases depend on it.

    ``splits``: it evaluates a batch in parts. ``in_backward``: it moves weights before ``backward()`` returns.
    ``precision``: the significant bits that it keeps, 24 where it raises on float64 or rounds to float32 on its way.
    ``told_last``: it wants to be told which call is a window's last. ``freezes``: it does not train some parameters.
    ``kinds``: the architectures that it can train without an exception. ``copies``: a copy of the model that ``build``
    leaves behind gave its loss and gradients. ``returns_optimizer``: ``build`` returns one. ``is_given_frozen``: the
    model that ``build`` is given has frozen parameters. ``answers_to_mode``: loss or gradients of the user's own model
    differ between training and evaluation mode. ``unread``: keys of its parameter groups that nobody reads.
    """

    splits: bool = False
    in_backward: bool = False
    precision: int = DOUBLE
    told_last: bool = False
    freezes: bool = False
    kinds: tuple[str, ...] = ()
    copies: bool = False
    returns_optimizer: bool = False
    is_given_frozen: bool = False
    answers_to_mode: bool = False
    unread: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Declaration:
    """``build(model, loss_fn)`` returns ``step`` or ``(step, optimizer)``; other fields say what the step should do.

    ``rule_factory``: the user's ``rule=``, an optimizer that makes the expected update. ``lr``: the learning rate of
    plain gradient descent. ``clip_norm``, ``clip_value``: how gradients are clipped. ``accumulate``: how many calls
    make one logical step. ``micro``: ``"equal"`` where all micro-batches have one size. ``own``: the user's models and
    batches. ``calls``: runs the user's code within a budget of
    time. ``spec``: the subject string under which ``build`` is found.
    """

    build: Build
    name: str
    rule_factory: Factory | None = None
    lr: float | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    accumulate: int = 1
    own: OwnModels | None = None
    habits: Habits = field(default_factory=Habits)
    calls: Calling = field(default_factory=Calls)
    spec: str = ""
    micro: str | None = None

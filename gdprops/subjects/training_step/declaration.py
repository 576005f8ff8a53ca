"""What the user declares of a training step, and the habits that one trial has seen.

All files that run a training step, try it, print it or compute its expected update read these data; `subject.py` makes
a subject of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import nn

from gdprops.model.declared_parameters import DeclaredParameters
from gdprops.model.subject import Calling
from gdprops.numerics.decisions import CLOCK_UPDATES, DOUBLE
from gdprops.subjects.user_code.calling import Calls

if TYPE_CHECKING:
    from gdprops.subjects.training_step.average import Average
    from gdprops.subjects.training_step.own.models import OwnModels
    from gdprops.subjects.training_step.phase_declaration import Phases
    from gdprops.subjects.training_step.schedule import Schedule

EQUAL = "equal"
"""What ``micro=`` says of micro-batches that all have one size."""
Step = Callable[..., Any]
Build = Callable[[nn.Module, nn.Module], Any]
Factory = Callable[..., torch.optim.Optimizer]


class Refused(NamedTuple):
    """What a step says of networks with an unreached and with a frozen parameter; empty where it takes them."""

    unreached: str = ""
    frozen: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """One sentence for each kind of network that is refused."""
        left_out = "such networks are left out"
        found = []
        if self.unreached:
            found.append(f"of a network with a parameter that the loss does not reach, {self.unreached}; {left_out}")
        if self.frozen:
            found.append(f"of a network with a frozen parameter, {self.frozen}; {left_out}")
        return tuple(found)


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
    ``step_at``: where the step stands in what ``build`` returns. ``all_called_after``: after how many calls of the step
    every optimizer of ``phases=`` has stepped. ``saves``: ``build`` returns ``save`` and ``load`` beside the step.
    ``refused``: the drawn networks on which it raises.
    ``own_batches``: what its model is given does not come from the batch that it is handed.
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
    step_at: str = ""
    all_called_after: int = 1
    saves: bool = False
    refused: Refused = field(default_factory=Refused)
    own_batches: bool = False


@final
@dataclass(frozen=True, slots=True)
class Driver:
    """The trainer that drives a step, where one does.

    ``made_from``: what the user has named: the module, its arguments and its batches. ``told``: in sentences, what is
    read from the trainer and belongs to the expected update.
    """

    made_from: Mapping[str, Any]
    told: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Declaration:
    """``build(model, loss_fn)`` returns ``step`` or ``(step, optimizer)``; other fields say what the step should do.

    ``rule_factory``: the user's ``rule=``, an optimizer that makes the expected update. ``lr``: the learning rate of
    plain gradient descent. ``clip_norm``, ``clip_value``: how gradients are clipped. ``accumulate``: how many calls
    make one logical step. ``micro``: ``"equal"`` where all micro-batches have one size. ``own``: the user's models and
    batches. ``parameters``: which parameters train and which rest. ``schedule``: of the learning rates. ``counts``:
    what each micro-batch counts in its window. ``phases``: the optimizers that take turns, each with its own objective.
    ``average``: how an averaged copy follows the model. ``updates``: how many updates a run of the chapter clock has.
    ``looks``: ``"extragradient"`` where a step looks twice around a plain optimizer.
    ``driver``: the trainer that drives the step, None where the user's own loop does.
    ``calls``: runs the user's code within a budget of time. ``spec``: the subject string of ``build``.
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
    parameters: DeclaredParameters = field(default_factory=lambda: DeclaredParameters({}, {}))
    schedule: Schedule | None = None
    counts: Callable[[Any, Any], Any] | None = None
    phases: Phases | None = None
    average: Average | None = None
    updates: int = CLOCK_UPDATES
    looks: str | None = None
    driver: Driver | None = None

    @property
    def parts(self) -> Mapping[str, Any]:
        """The user's functions, and what is declared of them, by name."""
        if self.driver is not None:
            return self.driver.made_from
        keys = ("lr", "clip_norm", "clip_value", "micro", "counts", "looks")
        of_models = ("models", "batches", "loss", "objective")
        stated = {"build": self.build, "rule": self.rule_factory, **{key: getattr(self, key) for key in keys}}
        stated |= {"accumulate": self.accumulate if self.accumulate > 1 else None}
        stated |= {} if self.schedule is None else self.schedule.parts
        stated |= {} if self.phases is None else self.phases.parts
        stated |= {} if self.average is None else self.average.parts
        own = None if self.own is None or self.phases is not None else self.own.objective
        given = {key: getattr(self.own, key, None) for key in of_models}
        return stated | self.parameters.parts | given | {"objective": own}

"""Parameters that take turns: a step that trains other ones than were trainable when it was handed over.

Where the user declares at which steps a parameter rests (``frozen={"body.*": range(1, 4)}``), the expected update gives
it no gradient at these steps, and one at all others. Where nothing is declared, such a step is not decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from gdprops.model.arrays import Array
    from gdprops.model.declared_parameters import DeclaredParameters, Role

TURNS = (
    "whether parameters that take turns do so as they should is not decided where it is not declared: freeze in build "
    'what is not to be trained, or declare the steps at which a parameter rests, frozen={"body.*": range(1, 4)}, with '
    "models="
)


@final
class Turns:
    """The declared roles of a model's parameters, and what has a gradient at a step where it should rest."""

    def __init__(self, declared: DeclaredParameters, model: nn.Module, frozen_before_build: Sequence[bool]) -> None:
        self._parameters, names = list(model.parameters()), names_of(model)
        self.roles: tuple[Role | None, ...] = tuple(
            declared.role(several, given_frozen=frozen)
            for several, frozen in zip(names, frozen_before_build, strict=True)
        )
        self._staged = {i: role for i, role in enumerate(self.roles) if role is not None and role.steps}
        self._trainable, self._pulled = [p.requires_grad for p in self._parameters], set[int]()

    @property
    def wake(self) -> frozenset[int]:
        """The parameters that rest at some steps and train at others, as declared."""
        return frozenset(self._staged)

    def begin(self) -> None:
        """Forget which parameters had a gradient."""
        self._pulled.clear()

    def note_gradients(self) -> None:
        """Note which of the declared parameters have a gradient that is not zero, at the time of an update."""
        grads = ((i, self._parameters[i].grad) for i, role in enumerate(self.roles) if role is not None)
        self._pulled |= {i for i, g in grads if g is not None and bool(g.detach().to_dense().any())}

    def differentiated(self, step: int, before: Sequence[Array]) -> Iterator[tuple[int, bool]]:
        """Yield which parameters the expected update has a gradient of, where a step is declared to train or rest them.

        One that should rest has none, unless the update was given one (a rate of zero freezes too), or it has moved.
        """
        for i, role in enumerate(self.roles):
            if role is not None and (self._trainable[i] or role.steps):
                yield i, not role.rests_at(step) or i in self._pulled or self._moved(i, before)

    def _moved(self, i: int, before: Sequence[Array]) -> bool:
        return bool(before) and not np.array_equal(self._parameters[i].detach().numpy(), before[i])

    def undeclared(
        self, names: Sequence[str], trainable: Sequence[bool], before: Sequence[Array], *, first: bool
    ) -> str:
        """Return why the last step is not decided: an undeclared parameter takes turns; an empty text for none."""
        others = [i for i in range(len(names)) if i not in self._staged]
        now, moves = [self._parameters[i].requires_grad for i in others], [self._moved(i, before) for i in others]
        return turns_taken([names[i] for i in others], [trainable[i] for i in others], now, moves, first=first)


def names_of(model: nn.Module) -> list[tuple[str, ...]]:
    """Return all names of each parameter: a tied one has several."""
    found: dict[int, tuple[str, ...]] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        found[id(p)] = (*found.get(id(p), ()), name)
    return list(found.values())


def turns_taken(
    names: Sequence[str], trainable: Sequence[bool], now: Sequence[bool], moves: Sequence[bool], *, first: bool
) -> str:
    """Return why a step is not decided whose parameters take turns, an empty text where they do not.

    ``trainable`` and ``now``: which parameters required gradients when ``build`` returned the step, and do so now;
    ``moves``: which ones the step has moved; ``first``: whether it is the first step.

    It gives its parameters turns where it freezes some that rest now, and either trains others in their place or
    has done so from its first step on. A step that only unfreezes, or that freezes later on, is judged by what was
    trainable when it was handed over.
    """
    rows = list(zip(names, trainable, now, strict=True))
    woken = [name for name, was, is_now in rows if is_now and not was]
    frozen = {name for name, was, is_now in rows if was and not is_now}
    resting = [name for name, moved in zip(names, moves, strict=False) if name in frozen and not moved]
    if not resting or not (woken or first):
        return ""
    instead = f" and trains {woken[0]}, which was frozen" if woken else ""
    return f"the step freezes {resting[0]}, which was trainable when build returned it{instead}: {TURNS}"

"""What a step must not do, or nothing can be compared: other shapes, and updates that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.subjects.training_step.expected_update import EXPECTATION

if TYPE_CHECKING:
    from torch import nn

    from gdprops.model.arrays import Array


def require_its_shapes(parameters: Mapping[str, nn.Parameter], before: Sequence[Array]) -> None:
    """Raise `SubjectCrash` where a step has given a parameter another shape."""
    for (name, p), was in zip(parameters.items(), before, strict=False):
        if tuple(p.shape) != was.shape:
            shapes = f"{tuple(p.shape)}, it was {was.shape}"
            raise SubjectCrash("step()", ValueError(shapes), told=f"step() leaves {name} in the shape {shapes}")


def require_known_updates(
    parameters: Mapping[str, nn.Parameter], held: Sequence[bool], trainable: Sequence[bool], before: Sequence[Array]
) -> None:
    """Raise `Unsupported` where the step moves a parameter that the returned optimizer does not hold.

    A declared ``rule=`` or ``lr=`` says what to expect of such a parameter; then this is not asked.
    """
    for (name, p), holds, trains, was in zip(parameters.items(), held, trainable, before, strict=False):
        if not holds and trains and not np.array_equal(p.detach().numpy(), was):
            raise Unsupported(
                f"the step moves {name}, which the optimizer that it returns does not hold: {EXPECTATION}"
            )

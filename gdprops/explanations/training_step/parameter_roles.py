"""Names for groups of parameters that mean the same in every network: the biases, the first layer, all but the last.

Failing examples have different networks. An explanation such as "the biases move by 2 times the update" can only be
tested in all of them if it names the parameters by their role and not by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gdprops.explanations.training_step.sweeps import halves, layers, weights_then_biases

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched

Members = Callable[["Watched"], Sequence[int]]


class Role(NamedTuple):
    """A group of parameters that can be found in every network; ``one``: the group is a single parameter."""

    text: str
    members: Members
    one: bool = False


def _but(chosen: Members) -> Members:
    """Return the function that finds all parameters except those that ``chosen`` finds."""
    return lambda step: sorted(set(range(len(step.names))) - set(chosen(step)))


def _first_layer(step: Watched) -> list[int]:
    return layers(step)[0]


def _last_layer(step: Watched) -> list[int]:
    return layers(step)[-1]


def _repeated_shapes(step: Watched) -> list[int]:
    shapes = [w.shape for w in step.before]
    return [i for i, shape in enumerate(shapes) if shape in shapes[:i]]


def _squares(step: Watched) -> list[int]:
    return [i for i, w in enumerate(step.before) if w.ndim == 2 and w.shape[0] == w.shape[1]]


ROLES = (
    Role("the biases", lambda step: weights_then_biases(step)[1]),
    Role("the weights (all that is no bias)", lambda step: weights_then_biases(step)[0]),
    Role("the first layer's parameters", _first_layer),
    Role("the last layer's parameters", _last_layer),
    Role("all parameters but the first layer's", _but(_first_layer)),
    Role("all parameters but the last layer's", _but(_last_layer)),
    Role("the parameters of the first half of the network", lambda step: halves(step)[0]),
    Role("the parameters of the second half of the network", lambda step: halves(step)[1]),
    Role("the first parameter", lambda step: [0], one=True),
    Role("the last parameter", lambda step: [len(step.names) - 1], one=True),
    Role("all parameters but the first", _but(lambda step: [0])),
    Role("all parameters but the last", _but(lambda step: [len(step.names) - 1])),
    Role("the parameters of a shape that an earlier one has", _repeated_shapes),
    Role("the square parameters", _squares),
)

"""The kinds of subjects (optimizer, training step, distributed step, …), one file each, and `KINDS`, their list.

A `Kind` connects three packages: how a subject is recognized and made (`gdprops.subjects`), how a clause is decided on
it (`gdprops.clauses`), and how a violation is explained (`gdprops.explanations`). The runner asks the kind of a subject
and contains no name of a kind. No computation lives here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.kinds.backprop import BACKPROP
from gdprops.kinds.distributed_step import DISTRIBUTED_STEP
from gdprops.kinds.framework import FRAMEWORK
from gdprops.kinds.optimizer import OPTIMIZER
from gdprops.kinds.trainer import TRAINERS
from gdprops.kinds.training_step import TRAINING_STEP
from gdprops.kinds.update_rule import UPDATE_RULE

if TYPE_CHECKING:
    from gdprops.kinds.kind import Kind
    from gdprops.model.subject import Subject

KINDS: tuple[Kind[Any], ...] = (
    FRAMEWORK,
    OPTIMIZER,
    TRAINING_STEP,
    DISTRIBUTED_STEP,
    BACKPROP,
    UPDATE_RULE,
    *TRAINERS,
)
"""Every kind, in the order in which the kinds are asked whether a subject belongs to them."""
NAMES = tuple(kind.name for kind in KINDS if kind.is_offered)
"""The names that ``--as`` accepts."""


def kind_of(subject: Subject) -> Kind[Any]:
    """Return the kind to which a subject belongs."""
    return next(kind for kind in KINDS if kind.owns(subject))

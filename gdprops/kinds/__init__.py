"""The kinds of subjects, one file each, and `KINDS`, the one list of them.

A `Kind` joins what lies on three floors below: how a subject is recognized and made (`gdprops.subjects`), how a
clause is decided on it (`gdprops.clauses`), and how a violation is explained (`gdprops.explanations`). The runner asks
the kind and knows no kind by name. No computation lives here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.kinds.backprop import BACKPROP
from gdprops.kinds.framework import FRAMEWORK
from gdprops.kinds.optimizer import OPTIMIZER
from gdprops.kinds.training_step import TRAINING_STEP
from gdprops.kinds.update_rule import UPDATE_RULE

if TYPE_CHECKING:
    from gdprops.kinds.kind import Kind
    from gdprops.model.subject import Subject

KINDS: tuple[Kind[Any], ...] = (FRAMEWORK, OPTIMIZER, TRAINING_STEP, BACKPROP, UPDATE_RULE)
"""Every kind, in the order in which they are asked whether a subject is theirs."""
NAMES = tuple(kind.name for kind in KINDS if kind.is_offered)
"""What ``--as`` takes."""


def kind_of(subject: Subject) -> Kind[Any]:
    """Return the kind of a subject."""
    return next(kind for kind in KINDS if kind.owns(subject))

"""The items of a run: the clauses that apply to a subject, the check of each of them, and the cases that it draws.

Everything that depends on the kind of the subject is asked of its `Kind`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gdprops.kinds import kind_of
from gdprops.model.clause import Clause, View
from gdprops.model.domain import Domain
from gdprops.model.evidence import Evidence, combine
from gdprops.model.item import Item
from gdprops.model.verdict import About
from gdprops.numerics.numpy_system import NumpySystem

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.model.subject import Subject

REFERENCE = "the gdprops reference"


def items_for(subject: Subject, clauses: Sequence[Clause]) -> tuple[Item, ...]:
    """Return the items about the subject, then those about the reference, in the order of the specification."""
    kind = kind_of(subject)
    chosen = [clause for clause in clauses if kind.applies(subject, clause)]
    reference = [clause for clause in clauses if clause.view is View.SYSTEM and kind.checks_reference]
    return (*(Item(c, About.SUBJECT) for c in chosen), *(Item(c, About.REFERENCE) for c in reference))


def examiner(item: Item, subject: Subject | None) -> Callable[[Any], Evidence]:
    """Return the clause's check of the subject; without a subject, its check of both reference systems."""
    if subject is not None:
        return kind_of(subject).examiner(subject, item.clause)
    from gdprops.numerics.torch_system import TorchSystem

    systems = (NumpySystem(), TorchSystem())
    return lambda case: combine(item.clause.examine(system, case) for system in systems)


def cases_of(item: Item, subject: Subject | None, domain: Domain) -> SearchStrategy[Any]:
    """Return the strategy that draws an item's cases."""
    if subject is None:
        return item.clause.cases(domain)
    return kind_of(subject).cases(item.clause, domain)

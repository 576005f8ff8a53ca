"""The items of a run: which clauses a subject is held to, what each of them looks at, and what it draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, final

from gdprops.model.clause import Clause, View
from gdprops.model.domain import Domain
from gdprops.model.evidence import Evidence, combine
from gdprops.model.traits import rule_of
from gdprops.model.verdict import About
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.subjects.subject_system import SubjectSystem

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.model.subject import Subject

REFERENCE = "the gdprops reference"
FACED = ("training-step", "backprop")
"""The kinds of subjects that are not fed gradients: clauses have faces of their own for them."""


@final
@dataclass(frozen=True, slots=True)
class Item:
    """One verdict to come: a clause, and whose it is."""

    clause: Clause
    about: About


def items_for(subject: Subject, clauses: Sequence[Clause]) -> tuple[Item, ...]:
    """Return the subject's items, then the reference's, in the order of the specification."""
    faced = subject.kind in FACED
    chosen = [c for c in clauses if (c.face(subject.kind) if faced else _runs_on_optimizers(subject, c))]
    reference = [c for c in clauses if c.view is View.SYSTEM and subject.kind != "backprop"]
    return (*(Item(c, About.SUBJECT) for c in chosen), *(Item(c, About.REFERENCE) for c in reference))


def _runs_on_optimizers(subject: Subject, clause: Clause) -> bool:
    """Sweeps are mathematics of plain descent: they run through a subject that is declared to be that.

    Gradients are looked at where a subject has a framework of its own; of the published rules only the declared one.
    """
    if clause.needs.rule is not None and subject.rule:
        return clause.needs.rule == rule_of(subject.rule)
    if clause.view is View.OPTIMIZER:
        return True
    swept = subject.rule == "sgd" and clause.needs.plain is True
    return clause.view is View.SYSTEM and (swept or (bool(subject.framework) and _only_looks(clause)))


def _only_looks(clause: Clause) -> bool:
    return clause.view is View.SYSTEM and clause.chapter == "gradient"


def examiner(item: Item, subject: Subject | None) -> Callable[[Any], Evidence]:
    """Return the clause's check bound to what it looks at: the subject, sweeps through it, or both references."""
    examine = item.clause.examine
    if subject is None:
        from gdprops.numerics.torch_system import TorchSystem

        systems = (NumpySystem(), TorchSystem())
        return lambda case: combine(examine(system, case) for system in systems)
    face = item.clause.face(subject.kind)
    if face is not None:
        return partial(face.examine, subject)
    if item.clause.view is View.SYSTEM:
        return lambda case: examine(SubjectSystem(subject), case)
    return lambda case: examine(subject, case)


def cases_of(item: Item, subject: Subject | None, domain: Domain) -> SearchStrategy[Any]:
    """Return the strategy that draws an item's cases."""
    face = None if subject is None else item.clause.face(subject.kind)
    if face is not None:
        return face.cases(domain)
    return item.clause.cases(Domain() if _only_looks(item.clause) else domain)  # looking is no matter of the optimizer

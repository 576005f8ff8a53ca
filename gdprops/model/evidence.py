"""What one example showed: the comparison that a clause made, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, final

from gdprops.model.live_finding import LiveFinding
from gdprops.model.note import Note, distinct


@final
@dataclass(frozen=True, slots=True)
class Location:
    """The worst entry of a comparison: where it is, what was seen there and what was expected."""

    parameter: str
    index: tuple[int, ...]
    step: int | None
    seen: str
    expected: str
    difference: float
    relative: float | None
    allowed: float


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """One tensor of a violated comparison, kept for the pictures in reports.

    ``moved_seen`` and ``moved_expected`` are the lengths of its displacements, None where no start was known.
    ``start``, ``seen`` and ``expected`` are its entries in order, None where it has too many to be read.
    """

    parameter: str
    shape: tuple[int, ...]
    wrong: bool
    moved_seen: float | None = None
    moved_expected: float | None = None
    start: tuple[float, ...] | None = None
    seen: tuple[float, ...] | None = None
    expected: tuple[float, ...] | None = None


@final
@dataclass(frozen=True, slots=True)
class Demand:
    """What a clause demands of one run, in Python, as the last line of a counterexample's script.

    ``test`` is true for a correct subject. It is an expression over ``seen``, the weights after a step as nested lists,
    ``before``, those before that step, and ``other``, those at the end of another run. ``define`` holds lines that the
    test needs. After a step with a closure it may use ``looks``, the weights at each call, and ``returned``. ``steps``:
    after how many logical steps the test is made, None for the last one of the run.
    """

    test: str
    define: tuple[str, ...] = ()
    steps: int | None = None


MUST_DIFFER, MUST_AGREE = Demand("seen != other"), Demand("seen == other")
"""Two runs must not end at the same weights, or they must."""
IN_TRAINING_MODE = Demand(
    "all(modes)", ("modes = []", "model.register_forward_hook(lambda module, *_: modes.append(module.training))")
)
"""A training step must run its model in training mode."""
LOSS_FALLS = Demand("losses[-1] < losses[-2]")
"""The last training step must lower the loss of its batch: ``losses`` is the loss before it and after it."""
ONE_LOOK = Demand("len(looks) == 1")
"""The step must call its closure once."""


def must_move(index: int, start: Any) -> Demand:
    """Return the demand that a tensor has left its start, given as an array."""
    return Demand(f"seen[{index}] != {start.tolist()!r}")


FINITE = Demand("all(np.isfinite(w).all() for w in seen)", ("import numpy as np",))
"""All weights must be finite."""


@final
@dataclass(frozen=True, slots=True)
class Evidence:
    """What one example showed about one clause.

    ``decisive`` says that the example could have refuted the clause. ``ratio`` is the worst difference divided by the
    allowed one, None where the comparison was exact. ``reason`` says why the example is not decisive, or what went
    wrong where no numbers were compared. ``blame`` names every wrong parameter. ``elsewise`` says that the subject is
    wrong in a way that another clause is about. ``compared`` shows the tensors of a violated comparison.

    ``silent`` names what had no effect in this example. A name that has no effect in any example of a run is a
    violation, unless ``acts_later(name)`` says that it has one in a longer example. ``notes``: what is told of the
    example beside its outcome. ``findings``: what a clause of the chapter `live` finds wrong in a watched run.
    """

    violated: bool = False
    decisive: bool = True
    ratio: float | None = None
    location: Location | None = None
    blame: tuple[str, ...] = ()
    reason: str = ""
    elsewise: bool = False
    silent: frozenset[str] | None = None
    silence: str = "changing {names} changes nothing"
    acts_later: Callable[[str], bool] | None = field(default=None, compare=False, repr=False)
    compared: tuple[Compared, ...] = ()
    notes: tuple[Note, ...] = ()
    demand: Demand | None = field(default=None, compare=False)
    findings: tuple[LiveFinding, ...] = ()

    def agreed(self) -> Evidence:
        """Return this evidence without its violation, as if everything had agreed (to test the clauses themselves)."""
        changed: dict[str, Any] = {"location": None, "blame": (), "silent": None, "compared": (), "demand": None}
        return replace(self, violated=False, findings=(), **changed)


def agreement() -> Evidence:
    """Return decisive evidence that agrees with the clause."""
    return Evidence()


def vacuous(reason: str) -> Evidence:
    """Return evidence of an example that could not have refuted its clause."""
    return Evidence(decisive=False, reason=reason)


def wrong_elsewise(reason: str) -> Evidence:
    """Return evidence that the subject is wrong in a way that another clause is about."""
    return Evidence(decisive=False, reason=reason, elsewise=True)


def violation(reason: str, *, blame: tuple[str, ...] = (), demand: Demand | None = None) -> Evidence:
    """Return a violation that is a fact (an exception, a replaced object), not a difference of numbers."""
    return Evidence(violated=True, reason=reason, blame=blame, demand=demand)


def unanswered(names: Iterable[str], acts_later: Callable[[str], bool] | None = None) -> Evidence:
    """Return decisive evidence in which these names had no effect.

    Whether a name never has an effect, only the whole run can say. At its end ``acts_later`` is called for every name
    that never had one: it says whether the name has an effect in a longer example.
    """
    return Evidence(silent=frozenset(names), acts_later=acts_later, demand=MUST_DIFFER)


def with_notes(evidence: Evidence, *notes: Note) -> Evidence:
    """Return the same example with something that is told beside its outcome."""
    return replace(evidence, notes=(*evidence.notes, *notes))


def require(holds: bool, otherwise: str, demand: Demand | None = None) -> Evidence:
    """Return agreement where ``holds`` is true, else a violation with the reason ``otherwise``."""
    return Evidence() if holds else violation(otherwise, demand=demand)


def combine(parts: Iterable[Evidence]) -> Evidence:
    """Join several comparisons of one example: the first violation, or else the worst ratio of all.

    The joined evidence is decisive where any part is.
    """
    found = list(parts)
    notes = distinct(note for part in found for note in part.notes)
    broken = next((part for part in found if part.violated), None)
    if broken is not None:
        return broken if notes == broken.notes else replace(broken, notes=notes)
    ratios = [part.ratio for part in found if part.ratio is not None]
    decisive = any(part.decisive for part in found)
    reason = "" if decisive else next((part.reason for part in found if part.reason), "nothing was compared")
    elsewise = any(part.elsewise for part in found)
    return Evidence(decisive=decisive, ratio=max(ratios, default=None), reason=reason, elsewise=elsewise, notes=notes)

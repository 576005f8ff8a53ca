"""From the verdicts of a run to its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdprops.clauses import catalogue
from gdprops.model.verdict import About, Outcome
from gdprops.runner.primary_violation import with_also

if TYPE_CHECKING:
    from gdprops.model.verdict import Verdict
    from gdprops.runner.settings import Settings


def conclude(
    subject: str, settings: Settings, verdicts: Sequence[Verdict], timing: dict[str, float], *, complete: bool = True
) -> Outcome:
    """Return the outcome: verdicts in the order of the specification, the subject's first.

    ``complete`` False is a run that was interrupted: nothing is said of the clauses that are missing.
    """
    position = {clause.id: k for k, clause in enumerate(catalogue())}
    ordered = sorted(verdicts, key=lambda v: (v.about is About.REFERENCE, position.get(v.clause, 0)))
    return Outcome(
        subject,
        settings.seed,
        settings.profile,
        with_also(ordered),
        settings.strict,
        timing,
        min_clauses=settings.terms.min_clauses if complete else 0,
        complete=complete,
    )

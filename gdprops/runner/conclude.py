"""Collect the verdicts of a run into its outcome, in the order of the specification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdprops.clauses import catalogue
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About
from gdprops.runner.primary_violation import with_also

if TYPE_CHECKING:
    from gdprops.model.verdict import Verdict
    from gdprops.runner.settings import Settings


def conclude(
    subject: str,
    settings: Settings,
    verdicts: Sequence[Verdict],
    timing: dict[str, float],
    *,
    complete: bool = True,
    interrupted: bool = False,
    identity: str = "",
) -> Outcome:
    """Return the outcome: the subject's verdicts, then the reference's, each in the order of the specification.

    Of a run that is not ``complete``, or was ``interrupted``, no minimum number of held clauses is required.
    ``identity``: the key of the subject's identity.
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
        min_clauses=settings.terms.min_clauses if complete and not interrupted else 0,
        complete=complete and not interrupted,
        interrupted=interrupted,
        identity=identity,
    )

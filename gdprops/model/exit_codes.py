"""The exit codes of the ``gdprops`` command, and which verdicts lead to which.

| code | meaning |
|---|---|
| 0 | nothing was violated, and at least one clause held |
| 1 | a clause was violated or aborted, or fewer clauses held than the project asks for |
| 2 | the command or the subject could not be used, or a report not be written |
| 3 | gdprops itself failed |
| 5 | nothing was decided, or not whether a rule that climbs is meant to |
| 130, 143 | interrupted by Ctrl-C or SIGTERM |
| 141 | nobody reads the output any more |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gdprops.model.clause import Level
from gdprops.model.verdict import DECIDED, About, Status, Verdict

CLIMBS = "the rule's own first step climbs: <g, w' - w> is positive"
"""Why clauses about descent decide nothing of a subject that goes along the gradient, and not against it."""
_BOWL = "optimizer.descends-by-default"
_DESCENT = ("step.plain", "step.descends", "step.trains", "step.loss-falls")
_ASIDE = ("gradient.pure",)
"""Clauses that hold of whatever does nothing: alone they say nothing of a step or a gradient."""
OK, VIOLATED, UNUSABLE, BUG, UNDECIDED, INTERRUPTED, NO_READER, TERMINATED = 0, 1, 2, 3, 5, 130, 141, 143
INTERRUPTIONS = (INTERRUPTED, TERMINATED)


def exit_code(verdicts: Sequence[Verdict], *, strict: bool, counted: About, min_clauses: int) -> int:
    """Return the exit code of one subject's run.

    Only the subject's verdicts count for 0, 1 and 5. A self-check (``counted``) counts the reference's verdicts
    instead, and gives 5 unless all of them held.
    """
    if any(verdict.status is Status.ERROR for verdict in verdicts):
        return BUG
    if any(v.about is About.REFERENCE and v.failed for v in verdicts):
        return BUG
    if counted is About.REFERENCE:
        return OK if all(v.status is Status.HELD for v in verdicts) else UNDECIDED
    subject = [v for v in verdicts if v.about is About.SUBJECT]
    held = sum(v.status is Status.HELD for v in subject)
    if any(v.failed_strictly if strict else v.failed for v in subject) or held < min_clauses:
        return VIOLATED
    return OK if held and is_decided(subject) and not climbs(subject) else UNDECIDED


def is_decided(verdicts: Sequence[Verdict]) -> bool:
    """Say whether any required clause was decided; True where none was selected.

    A required clause counts as decided where it is held or violated, or where its violation is accepted. That looking
    changes nothing counts only where nothing else was selected.
    """
    required = [verdict for verdict in verdicts if verdict.level is Level.REQUIRED]
    required = [verdict for verdict in required if verdict.clause not in _ASIDE] or required
    return not required or any(verdict.status in DECIDED for verdict in required)


def climbs(verdicts: Sequence[Verdict]) -> bool:
    """Say whether a subject goes up, and no clause has decided whether it is meant to.

    Ascent may be meant, so no required clause accuses a subject of it that declares nothing. But what has held says
    nothing of the direction either, and such a run is not a success.
    """
    if any(v.status in DECIDED and (v.clause in _DESCENT or v.clause.startswith("published.")) for v in verdicts):
        return False
    return any(
        (v.clause == _BOWL and v.status is Status.VIOLATED)
        or (v.status is Status.VACUOUS and not v.decisive and CLIMBS in v.vacuous_reasons)
        for v in verdicts
    )


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of several runs together.

    An interruption comes before everything, then an error of gdprops (3), a violation (1), a subject that could not be
    used (2), and a run in which nothing was decided (5).
    """
    found = set(codes)
    return next((code for code in (*INTERRUPTIONS, BUG, VIOLATED, UNUSABLE, UNDECIDED) if code in found), OK)

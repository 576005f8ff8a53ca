"""The exit codes of the ``gdprops`` command, and which verdicts lead to which.

| code | meaning |
|---|---|
| 0 | nothing was violated, and at least one clause held |
| 1 | a clause was violated or aborted, or fewer clauses held than the project asks for |
| 2 | the command or the subject could not be used |
| 3 | gdprops itself failed |
| 5 | nothing was decided |
| 130, 143 | interrupted by Ctrl-C or SIGTERM |
| 141 | nobody reads the output any more |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gdprops.model.clause import Level
from gdprops.model.verdict import DECIDED, About, Status, Verdict

OK, VIOLATED, UNUSABLE, BUG, UNDECIDED, INTERRUPTED, NO_READER, TERMINATED = 0, 1, 2, 3, 5, 130, 141, 143


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
    return OK if held and is_decided(subject) else UNDECIDED


def is_decided(verdicts: Sequence[Verdict]) -> bool:
    """Say whether any required clause was decided; True where none was selected.

    A required clause counts as decided where it is held or violated, or where its violation is accepted.
    """
    required = [verdict for verdict in verdicts if verdict.level is Level.REQUIRED]
    return not required or any(verdict.status in DECIDED for verdict in required)


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of several runs together.

    An error of gdprops (3) comes before a violation (1), a violation before a subject that could not be used (2), and
    that before a run in which nothing was decided (5).
    """
    found = set(codes)
    return next((code for code in (BUG, VIOLATED, UNUSABLE, UNDECIDED) if code in found), OK)

"""Remember explanations: several clauses often fail for one fault, which needs to be explained only once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gdprops.runner.counterexamples.encoding import encode
from gdprops.runner.pooled_examples import OWN
from gdprops.subjects.user_code.calling import Calls

if TYPE_CHECKING:
    from gdprops.explanations.explanation import Explanation

NOBODY = Calls()
"""Subjects are compared with this object in the place of their time budget, which is no part of what a subject is."""
KEPT = 8
"""How many explanations are remembered; the clauses of one subject are judged one after the other."""
_TOLD: list[tuple[Any, str, Explanation | None]] = []


def explained_once(
    subject: Any, failing: Sequence[Any], find_out: Callable[[], Explanation | None]
) -> Explanation | None:
    """Return the explanation that was found for an equal subject, where it is true here too; else call ``find_out``.

    It is true of equal failing examples, of which only the first few are compared: all others in which an explanation
    must hold depend on the subject alone. In other examples it must hold as it did in those that it was found in.
    """
    same, first = subject.prepared(subject.traits, NOBODY), failing[: 1 + OWN]
    examples = json.dumps([encode(case) for case in first])
    if '"foreign"' in examples:  # the encoding of modules drawn by a strategy does not distinguish them
        return find_out()
    ours = [(others, told) for known, others, told in _TOLD if known == same]
    for others, told in ours:
        if others == examples:
            return told
    for _, told in ours:
        if told is not None and told.holds_in is not None and told.holds_in(subject, first):
            return told
    found = find_out()
    _TOLD[:] = [*_TOLD[1 - KEPT :], (same, examples, found)]
    return found

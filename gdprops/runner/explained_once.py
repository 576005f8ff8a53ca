"""Several clauses often fail in the same examples: what a training step does instead is found out once for them."""

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
"""Who calls the user's code is no part of what a subject is: two are compared with the same caller."""
KEPT = 8
"""So many explanations are remembered: the clauses of one subject are judged one after the other."""
_TOLD: list[tuple[Any, str, Explanation | None]] = []


def explained_once(
    subject: Any, failing: Sequence[Any], find_out: Callable[[], Explanation | None]
) -> Explanation | None:
    """Return what was found out for the same subject and the same failing examples, else find it out.

    All other examples that an explanation must hold in follow from the subject.
    """
    same, examples = subject.prepared(subject.traits, NOBODY), json.dumps([encode(case) for case in failing[: 1 + OWN]])
    if '"foreign"' in examples:  # modules that a strategy has drawn are not told apart
        return find_out()
    for known, others, told in _TOLD:
        if known == same and others == examples:
            return told
    told = find_out()
    _TOLD[:] = [*_TOLD[1 - KEPT :], (same, examples, told)]
    return told

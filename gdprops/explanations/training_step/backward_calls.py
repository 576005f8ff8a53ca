"""Several calls of backward whose gradients meet in ``.grad``: which lines' gradients the step applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.explanation_wording import several
from gdprops.explanations.training_step.gradient_origin import total
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Grads
    from gdprops.explanations.training_step.hypothesis import Failure


def by_backward_lines(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "the gradients of line 31 are added to those of line 36", where line 36's alone are the right ones."""
    wrong = [moment for failure in failures for moment in failure.wrong]
    lines = [_lines(moment) for moment in wrong]
    surplus = {tuple(line for line in found if line != own) for own, found in lines if own}
    if len(surplus) != 1 or not all(own for own, _ in lines):
        return []
    (others,) = surplus
    own = lines[0][0]
    if not others:
        return []
    text = (
        f"the gradients of the backward at {several(others)} are added to those of the one at {own}: both are applied"
    )

    def rival(moment: Moment) -> Weights | None:
        mine, found = _lines(moment)
        step = moment.step
        return (
            step.update(step.run.clip(total([step.gradients, *(found[line] for line in found if line != mine)])))
            if mine
            else None
        )

    return [Hypothesis(text, rival, broad=1)]


def _lines(moment: Moment) -> tuple[str, Mapping[str, Grads]]:
    """Return the line whose gradients are the right ones (empty: none is), and what every line's backward has added."""
    step, seen = moment
    if seen is None or len({root.place for root in seen.roots}) < 2 or step.run.clip_norm is not None:
        return "", {}
    found: dict[str, Grads] = {}
    for root in seen.roots:
        found[root.place] = total([found[root.place], root.added]) if root.place in found else list(root.added)
    return next((line for line, added in found.items() if _are_right(added, step.gradients)), ""), found


def _are_right(added: Grads, right: Grads) -> bool:
    most = max((float(np.abs(g).max(initial=0.0)) for g in right if g is not None), default=0.0)
    return all(
        g is None or (a is not None and bool((np.abs(a - g) <= decisions.REGRESSION_RESIDUAL * most).all()))
        for a, g in zip(added, right, strict=True)
    )

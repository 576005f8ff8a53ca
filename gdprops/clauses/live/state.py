"""An optimizer's state outlives the epoch: one that is made anew on the same parameters has forgotten everything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from gdprops.clauses.support.live_clause import Told, lines, live_clause, named
from gdprops.clauses.support.provenance import Step, Story
from gdprops.model.clause import Level


@live_clause(
    id="live.state",
    statement="An optimizer's state outlives the epoch: one that is made anew on the same parameters drops it.",
    source="Adam made inside the loop over epochs: its moments start at zero every time, and each first step has "
    "length lr.",
    decision="Two optimizers of one class, made on one line, that both stepped and hold a common parameter, the first "
    "of which remembered something, and the second of which begins where the first ended. Told, not accused: a new "
    "phase may be meant.",
    level=Level.RECOMMENDED,
    refuted_by=("script-makes-the-optimizer-anew",),
    undecided=lambda read: "" if len(read.stepped) > 1 else "only one optimizer stepped",
)
def state(read: Story) -> Iterator[Told]:
    for one, other in combinations(read.stepped, 2):
        first, second = read.ledger.optimizers[one], read.ledger.optimizers[other]
        both = first.holds & second.holds
        alike = first.name == second.name and first.made_at == second.made_at and first.made_at is not None
        last, begin = read.steps_of(one)[-1], read.steps_of(other)[0]
        if both and alike and first.remembers and last.at < begin.at and _goes_on(last, begin, both):
            yield Told(
                f"{first.name} is made anew at {lines([first.made_at])} on {named(read, both)}: the state of the one "
                "before, with which it had stepped, is dropped",
                tuple(sorted(both)),
                begin.number,
                (first.made_at,),
            )
            return


def _goes_on(last: Step, begin: Step, both: frozenset[int]) -> bool:
    """Say whether the second optimizer begins where the first ended; weights that are drawn anew are another run."""
    left = last.ends.weights if last.ends is not None else {}
    return all(left.get(parameter) == begin.event.weights.get(parameter) for parameter in both)

"""How the script of a training step ends: in an assertion of what the clause demands, or in the step's exception."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdprops.subjects import script_lines

if TYPE_CHECKING:
    from gdprops.model.evidence import Demand, Evidence, Location


def built_line(step_at: str) -> str:
    """Return the line that takes the step out of what ``build`` has returned."""
    if step_at in ("", "[0]"):
        return "step = built[0] if isinstance(built, tuple) else built"
    return f"step = built{step_at}"


_OPTIMIZERS = {"[0]": "built[1]", "['step']": "built['optimizer']", ".step": "built.optimizer"}


def built_optimizer(step_at: str) -> str:
    """Return the expression of the optimizer that ``build`` has returned beside the step, empty where there is none."""
    return _OPTIMIZERS.get(step_at, "")


def bodies(
    before: Sequence[str],
    calls: Sequence[Sequence[str]],
    evidence: Evidence,
    names: Sequence[str],
    losses: Sequence[str],
) -> Iterator[tuple[list[str], bool]]:
    """Yield the lines of scripts, and whether they end in an exception.

    ``before``: the lines above the first call; ``calls``: those of each logical step; ``names``: of the parameters;
    ``losses``: the expression of the loss of each step's data.
    """
    if evidence.demand is not None:
        for t in range(evidence.demand.steps or len(calls), 0, -1):
            yield [*before, *_demanded(calls[:t], evidence.demand, evidence.reason, losses[t - 1])], False
    elif evidence.location is not None:
        done = [line for one in calls[: evidence.location.step] for line in one]
        for last in _asserted(evidence.location, names):
            yield [*before, *done, *last], False
    else:
        yield [*before, *(line for one in calls for line in one)], True


def _demanded(calls: Sequence[Sequence[str]], demand: Demand, reason: str, loss: str) -> Iterator[str]:
    weights = "[p.tolist() for p in model.parameters()]"
    yield from demand.define
    yield from [f"before = {weights}"] * ("before" in demand.test)
    yield from (line for one in calls[:-1] for line in one)
    falls = "losses" in demand.test
    yield from [f"losses = [{loss}]"] * falls
    yield from calls[-1]
    yield from [f"losses.append({loss})"] * falls
    yield from [f"seen = {weights}"] * ("seen" in demand.test)
    yield f"assert {demand.test}, {reason!r}"


def _asserted(location: Location, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the lines that compare the worst entry with what is expected of it."""
    if location.parameter not in names:
        return
    index = list(location.index) if location.index else ""
    entry = f"list(model.parameters())[{names.index(location.parameter)}]{index}.item()"
    values = f"seen, expected = {entry}, {script_lines.named(location.expected)}"
    for exactly in (False, True):
        yield [values, script_lines.difference(f"{location.parameter}{index}", location.allowed, exactly)]

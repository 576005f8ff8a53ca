"""How the script of hand-written backprop ends: in an assertion of what the clause demands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gdprops.model.evidence import LOSS_FALLS
from gdprops.subjects import script_lines

if TYPE_CHECKING:
    from gdprops.model.evidence import Demand, Evidence, Location
    from gdprops.subjects.backprop.forms import Container
    from gdprops.subjects.backprop.run import BackpropRun, Functions


class Ending(NamedTuple):
    """The last lines of a script, and those that the end needs after the first line and before the last step."""

    last: list[str]
    first: tuple[str, ...] = ()
    before_step: tuple[str, ...] = ()


def with_ending(lines: Sequence[str], ending: Ending) -> list[str]:
    """Return the lines of a script with its ending."""
    step = max(k for k, line in enumerate(lines) if line.startswith("print(")) - 1
    return [lines[0], *ending.first, *lines[1:step], *ending.before_step, *lines[step:], *ending.last]


def endings(functions: Functions, run: BackpropRun, evidence: Evidence, loss: str) -> Iterator[Ending]:
    """Yield the endings that fit what was found; ``loss`` is the expression of the loss of the last step's batch."""
    container, stated = functions.container, functions.step is None
    if evidence.demand is LOSS_FALLS:
        last = [f"losses.append({loss})", f"assert {LOSS_FALLS.test}, {evidence.reason!r}"]
        yield Ending(last, before_step=(f"losses = [{loss}]",))
    elif evidence.demand is not None:
        yield _demanded(container, run.names, evidence.demand, evidence.reason)
    elif evidence.location is not None:
        spread = _shape_of(run, evidence.location.parameter) if stated else None
        for shape in (None, spread) if spread else (None,):
            for exactly in (False, True):
                yield Ending(asserted(evidence.location, container, gradients=stated, exactly=exactly, shape=shape))
    elif stated and evidence.blame:
        k = list(run.names).index(evidence.blame[0])
        entry = "dict(enumerate(found)).get({})" if container.keys is None else "found.get({})"
        key = repr(k if container.keys is None else run.names[k])
        shape = np.shape(run.case.tensors[k])
        yield Ending([f"assert np.shape({entry.format(key)}) == {shape!r}, {evidence.reason!r}"])
        yield Ending([f"assert {entry.format(key)} is not None, {evidence.reason!r}"])


def _demanded(container: Container, names: Sequence[str], demand: Demand, reason: str) -> Ending:
    entries = ", ".join(_entry(container, "params", name, k) for k, name in enumerate(names))
    weights = f"[np.array(w).tolist() for w in [{entries}]]"
    seen = [f"seen = {weights}"] if "seen" in demand.test else []
    first = (f"before = {weights}",) if "before" in demand.test else ()
    return Ending([*demand.define, *seen, f"assert {demand.test}, {reason!r}"], first)


def _shape_of(run: BackpropRun, parameter: str) -> tuple[int, ...] | None:
    """Return the shape of a parameter, to which a gradient of another shape is spread as ``w - lr * g`` does."""
    found = dict(zip(run.names, run.case.tensors, strict=True)).get(parameter)
    return None if found is None else np.shape(found)


def asserted(
    location: Location,
    container: Container,
    *,
    gradients: bool = False,
    exactly: bool = False,
    shape: tuple[int, ...] | None = None,
) -> list[str]:
    """Return the lines that compare the worst entry with what is expected; ``shape``: the array is spread to it."""
    index = list(location.index) if location.index else ""
    entry = location.parameter
    if entry not in ("X", "y"):
        held = "found" if gradients else "params"
        entry = entry.replace("params", held, 1) if container.keys is None else f"{held}[{entry!r}]"
    entry = f"np.asarray({entry})" if shape is None else f"np.broadcast_to({entry}, {shape!r})"
    values = f"seen, expected = float({entry}{index}), {script_lines.named(location.expected)}"
    return [values, script_lines.difference(f"{location.parameter}{index}", location.allowed, exactly)]


def _entry(container: Container, held: str, name: str, k: int) -> str:
    return f"{held}[{k}]" if container.keys is None else f"{held}[{name!r}]"

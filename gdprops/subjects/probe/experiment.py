"""The experiment of the probe: three fixed tensors, gradients that differ at every step, and a record of traits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.case import Plan
from gdprops.model.traits import Measured
from gdprops.numerics.comparison import differ
from gdprops.numerics.decisions import PROBE_TOLERANCE, SINGLE_TOLERANCE

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.subject import FedSubject, Gradients

RATE = 0.125
SLOW_RATE = 2.0**-9
STEPS = 4
LONG = 128
"""The steps of a long experiment: warm-ups, averages and couplings that begin late show within so many."""
PATIENCE = 12
"""The steps after which a refusal of a shape has shown: some rules wait for ten gradients before they move."""
ALL = (0, 1, 2)
_SHAPES = ((2, 3), (2, 3), (3, 2))
_NUMBERS = np.linspace(-1.5, 2.0, 18)


@final
@dataclass(slots=True)
class Probe:
    """The fixed experiment on one subject, and the traits measured so far, in order.

    ``only_single``: how the first step crashed in float64, where it works in float32; ``undriven``: how it crashed
    where nothing works; ``unsteady``: how it crashed where the same step works by now;
    ``refused_shapes``: how it crashed, by number of dimensions.
    """

    subject: FedSubject
    dtype: Any = np.float64
    found: dict[str, Measured] = field(default_factory=dict)
    rated: bool | None = None
    only_single: SubjectCrash | None = None
    undriven: SubjectCrash | None = None
    unsteady: SubjectCrash | None = None
    refused_shapes: dict[str, SubjectCrash] = field(default_factory=dict)

    def note(self, key: str, value: str, evidence: str) -> None:
        """Record the value of a trait, and the evidence for it."""
        self.found[key] = Measured(value, evidence)

    def value(self, key: str, default: str = "") -> str:
        """Return the value measured for a trait so far."""
        return self.found[key].value if key in self.found else default

    @property
    def resolution(self) -> float:
        """The relative difference up to which two displacements count as equal."""
        return SINGLE_TOLERANCE if self.dtype == np.float32 else PROBE_TOLERANCE

    def tensors(self) -> list[Array]:
        """Return three tensors without zeros: two of equal shape and one of another shape."""
        values = _NUMBERS.astype(self.dtype)
        return [values[:6].reshape(2, 3), values[6:12].reshape(2, 3), values[12:].reshape(3, 2)]

    def gradients(self, step: int) -> list[Array]:
        """Return the gradients of one step; they differ from step to step, in sign too."""
        return [wave.astype(self.dtype).reshape(s) for wave, s in zip(_waves(step), _SHAPES, strict=True)]

    def steps(self, count: int = STEPS) -> list[list[Array]]:
        """Return the gradients of the first ``count`` steps."""
        return [self.gradients(t) for t in range(count)]

    def run(self, plan: Plan, tensors: Sequence[Array], gradients: Sequence[Gradients]) -> list[list[Array]]:
        """Run the subject on these tensors and gradients, and return the weights after every step."""
        run = self.subject.start(tensors, plan)
        seen = []
        for step in gradients:
            run.step(step)
            seen.append(run.weights())
        return seen

    def end(self, plan: Plan, tensors: Sequence[Array], gradients: Sequence[Gradients]) -> list[Array]:
        """Return the weights after the last step."""
        run = self.subject.start(tensors, plan)
        for step in gradients:
            run.step(step)
        return run.weights()

    def trajectory(self, plan: Plan | None = None) -> list[list[Array]]:
        """Return the weights after each of the probe's own four steps."""
        return self.run(plan or self.plan(), self.tensors(), self.steps())

    def plan(
        self,
        rate: float = RATE,
        groups: tuple[tuple[int, ...], ...] = (ALL,),
        options: Mapping[str, float | bool] | None = None,
    ) -> Plan:
        """Return a plan for the three tensors; it sets a learning rate only where the subject shows one."""
        return Plan(groups, (rate,) * len(groups) if self.has_rate() else None, options or {})

    def waits(self) -> int:
        """Return after how many steps anything moves, 0 where nothing ever does: some rules first gather gradients."""
        try:
            seen = self.run(self.plan(), self.tensors(), self.steps(PATIENCE))
        except SubjectCrash:
            return 0
        return next((t for t, weights in enumerate(seen) if differ(weights, self.tensors())), 0)

    def has_rate(self) -> bool:
        """Say whether the subject shows its learning rate."""
        if self.rated is None:
            self.rated = self.subject.start(self.tensors(), Plan((ALL,))).rates()[0] is not None
        return self.rated


@cache
def _waves(step: int) -> tuple[Array, ...]:
    return tuple(np.cos(np.arange(6) * (k + 1.3) + step * 1.7 + k) + 0.3 for k in range(3))


def near(a: Sequence[Array], b: Sequence[Array], room: float) -> bool:
    """Say whether no two entries differ by more than ``room``, computed in float64."""
    pairs = zip(a, b, strict=True)
    return all(float(np.abs(x.astype(float) - y.astype(float)).max(initial=0)) <= room for x, y in pairs)


def attempt(action: Callable[[], object]) -> SubjectCrash | Unsupported | None:
    """Call ``action`` and return how the subject crashed or refused; None where it did neither."""
    try:
        action()
    except (SubjectCrash, Unsupported) as crash:
        return crash
    return None

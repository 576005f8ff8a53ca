"""How an object of a class is asked for its output: a method, what it gets, and what of its result is the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.calls import ZERO, Plan
from gdprops.subjects.backprop.as_written.data_forms import DataForm, as_rows
from gdprops.subjects.backprop.as_written.output_in_loss import OUTPUT_IN_LOSS
from gdprops.subjects.backprop.as_written.picked import Pick
from gdprops.subjects.backprop.as_written.probes import seeded
from gdprops.subjects.backprop.as_written.roles import Role

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


@final
@dataclass(frozen=True, slots=True)
class Forward:
    """How the output is asked for: a method, what it gets, what of its result is the output, the form of X.

    ``draws``: whether it may draw random numbers; those are seeded then, which takes longer than a small network.
    """

    method: str
    plan: Plan
    pick: Pick
    form: DataForm
    draws: bool = True

    def raw(self, net: Any, x: Array) -> Any:
        """Call the method and return what it returns."""
        return self.of_samples(net, self.form.samples(x), len(x))

    def of_samples(self, net: Any, samples: Any, rows: int) -> Any:
        """Return what the method returns for so many samples that are in the form in which it takes them."""
        if self.draws:
            seeded()
        return self.plan.call(getattr(net, self.method), asked_with(samples, rows))

    def output(self, net: Any, x: Array) -> Any:
        """Return the output as rows."""
        if self.form.single and len(x) > 1:
            parts = [as_rows(self.form, self.pick.of(net, self.raw(net, x[k : k + 1])), 1) for k in range(len(x))]
            return np.concatenate(parts)
        return as_rows(self.form, self.pick.of(net, self.raw(net, x)), len(x))

    @property
    def told(self) -> str:
        """How the method is called, in words."""
        if self.method == OUTPUT_IN_LOSS:
            return f"the output is {self.pick.path[-1]} in its loss"
        inside = ", ".join("X" if role is Role.DATA else name for name, role in self.plan.arguments)
        return f"{self.method}({inside})" + (f", its {self.pick.told}" if self.pick.told else "")


def asked_with(x: Any, rows: int) -> dict[Any, Any]:
    """Return what a forward pass may get: samples, their number, and 0 for what no name tells, such as a mode."""
    return {Role.DATA: x, Role.BATCH: rows, Role.ROWS: rows, Role.PENALTY: 0.0, ZERO: 0.0}

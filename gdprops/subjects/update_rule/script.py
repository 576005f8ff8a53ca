"""An update rule's run as plain Python: each method returns the lines that do what `RuleRun` does in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from gdprops.subjects import script_lines

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan
    from gdprops.model.subject import Delivery, Gradients


@final
@dataclass(frozen=True, slots=True)
class RuleScript:
    """Writes the runs of one rule. What an update rule has not (closures, objects) is written as no lines."""

    spec: str
    hyperparameters: Mapping[str, Any]
    rate_name: str | None
    prelude: str = ""

    def head(self) -> str:
        """Return the imports; a framework's rule is defined in its prelude."""
        return self.prelude or "\n".join(["import numpy as np", *script_lines.import_lines(self.spec)])

    def start(self, tensors: Sequence[Array], plan: Plan) -> list[str]:
        """Return the line that sets up the params, the state and the hyperparameters."""
        rate = {} if plan.rates is None or self.rate_name is None else {self.rate_name: plan.rates[0]}
        inside = {**self.hyperparameters, **plan.options, **rate}
        held = {i: tensors[i] for i in plan.indices if i not in plan.frozen}
        return [f"params, state, options = {_tree(held)}, None, {inside!r}"]

    def step(self, gradients: Gradients, delivery: Delivery, plan: Plan) -> list[str]:
        """Return the lines that take one step; the gradients stand in the order of the params."""
        called = "update" if self.prelude else script_lines.called(self.spec)
        given = {i: g for i in plan.indices if i not in plan.frozen and (g := gradients[i]) is not None}
        return [f"grads = {_tree(given)}", f"params, state = {called}(params, grads, state, **options)"]

    def gradients(self, gradients: Gradients) -> list[str]:
        """Return no lines: an update rule is given its gradients when it is called."""
        return []

    def closure(self, answers: Sequence[tuple[float, Gradients]], count: int) -> list[str]:
        """Return no lines: an update rule takes no closure."""
        return []

    def scale_rate(self, factor: float, rates: Sequence[float | None]) -> list[str]:
        """Return the line that multiplies the learning rate."""
        rate = next((rate for rate in rates if rate is not None), None)
        return [] if rate is None else [f"options[{self.rate_name!r}] = {rate * factor!r}"]

    def resume(self, plan: Plan, count: int, *, through_file: bool, flagged: bool) -> list[str]:
        """Return the lines that go on with a copy of the state."""
        return ["import copy", "state = copy.deepcopy(state)"]

    def place(self, weights: Sequence[Array]) -> list[str]:
        """Return the line that overwrites all tensors."""
        return [f"params = {_tree(dict(enumerate(weights)))}"]

    def spoil(self, indices: Sequence[int]) -> list[str]:
        """Return the lines that overwrite the last gradients of some tensors in place."""
        return [f'grads["w{i}"].fill(np.nan)' for i in indices]

    def zero(self, *, set_to_none: bool | None) -> list[str]:
        """Return no lines: an update rule holds no gradients."""
        return []

    def add_group(self, indices: Sequence[int], rate: float | None) -> list[str]:
        """Return no lines: an update rule has no parameter groups."""
        return []

    def evaluate(self) -> list[str]:
        """Return no lines: an update rule has no modes."""
        return []

    def readers(self, methods: Sequence[str]) -> list[str]:
        """Return no lines: an update rule has no methods."""
        return []

    def weight(self, index: int) -> str:
        """Return the expression of a tensor."""
        return f'params["w{index}"]'

    def gradient(self, index: int) -> str:
        """Return the expression of a tensor's gradient after a step."""
        return f'grads["w{index}"]'

    def addresses(self, count: int) -> str:
        """Return nothing: an update rule returns new weights."""
        return "[]"

    def forms(self, count: int) -> str:
        """Return nothing: an update rule has no parameter objects."""
        return "[]"

    def apart(self, shared: str) -> str:
        """Return a test that always holds: a pure function may keep the arrays that it was given."""
        return "True"

    def dtypes(self, count: int) -> str:
        """Return nothing: copying a state changes no dtype."""
        return "[]"


def _tree(arrays: Mapping[int, Array]) -> str:
    pairs = [f'"w{i}": np.array({script_lines.literal(a)}, dtype="{a.dtype}")' for i, a in arrays.items()]
    return f"{{{', '.join(pairs)}}}"

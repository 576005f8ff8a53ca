"""A method of a network's object that computes the loss: ``loss(X, y)``, ``compute_loss(y, output)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.subjects.backprop.as_written.calls import plans
from gdprops.subjects.backprop.as_written.roles import Role

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.forward_pass import Forward

Loss = Callable[[Any, Any, Any], Any]
"""Of an object, samples and targets."""


def loss_method(net: Any, forward: Forward, name: str, x: Array, y: Array) -> Loss | None:
    """Return a method of an object as a loss of samples and targets, None where it gives no number for them."""
    for plan in plans(getattr(net, name), (Role.DATA, Role.TARGETS, Role.OUTPUT), optional=(Role.TARGETS, Role.OUTPUT)):
        if not plan.uses(Role.TARGETS):
            continue

        def loss(on: Any, x: Array, y: Array, plan: Any = plan) -> Any:
            raw = forward.plan.call(getattr(on, forward.method), {Role.DATA: forward.form.samples(x)})
            values = {Role.DATA: forward.form.samples(x), Role.TARGETS: forward.form.given(y)}
            return plan.call(getattr(on, name), {**values, Role.OUTPUT: forward.pick.of(on, raw)})

        try:
            found = np.asarray(loss(net, x, y))
        except Exception:  # it is found out by trying
            continue
        if found.size == 1 and found.dtype.kind in "fi" and np.isfinite(found).all():
            return loss
    return None
